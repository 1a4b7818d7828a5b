#!/usr/bin/env python3
"""What a request costs at doorward, nginx, haproxy and Envoy, side by side.

`doorward` checks a permission and a token that it has seen before, `-where` the
tenant in the path besides, `-cedar` the tenant and three policies, `-unseen` a token
that it has not, and `-public` nothing. `haproxy-jwt` checks signature, issuer, audience
and expiry of each, and so does `envoy-jwt`, which remembers the last hundred (`-unseen`:
and sees others). Each proxy is a process of its own, and so are those that see tokens
for the first time; `-beside` is `doorward` again in that process, between the others.

One upstream (nginx, 100 bytes), one load (wrk), and the gateways by turns in
the same rounds on the same cores, so that a machine with neighbours disturbs
all of them alike: read the ratios. A proxy's CPU is the time that its threads
ran (/proc/PID/task/*/schedstat), user and system together; wrk and the
upstream are not in it. doorward also checks the revocations of each request,
writes two identity headers, besides those about the connection and the trace, and
records the decision; the others do not.

At the end, what callers wait for where nobody is pushed: nginx and doorward at
half the rate that nginx reached (h2load, an open loop over the same connections).
"""

import argparse
import base64
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import plot

UPSTREAM = """
worker_processes 1; daemon off; pid {place}/upstream.pid; error_log /dev/null;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000000;
  client_body_temp_path {place}; proxy_temp_path {place}; fastcgi_temp_path {place};
  uwsgi_temp_path {place}; scgi_temp_path {place};
  server {{ listen 127.0.0.1:{port} reuseport; location / {{ return 200 "{body}"; }} }} }}
"""

NGINX = """
worker_processes 1; daemon off; pid {place}/nginx.pid; error_log /dev/null;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 1000000000;
  client_body_temp_path {place}; proxy_temp_path {place}; fastcgi_temp_path {place};
  uwsgi_temp_path {place}; scgi_temp_path {place};
  upstream api {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 1000000000; }}
  server {{ listen 127.0.0.1:{port} reuseport;
    location / {{ proxy_pass http://api; proxy_http_version 1.1;
      proxy_set_header Connection ""; }} }} }}
"""

HAPROXY = """
global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 3s
frontend f
  bind 127.0.0.1:{port}
  default_backend b
backend b
  http-reuse always
  server s 127.0.0.1:{upstream}
"""

HAPROXY_JWT = """
  http-request set-var(txn.bearer) http_auth_bearer
  http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')
  http-request set-var(txn.iss) var(txn.bearer),jwt_payload_query('$.iss')
  http-request set-var(txn.aud) var(txn.bearer),jwt_payload_query('$.aud')
  http-request set-var(txn.sub) var(txn.bearer),jwt_payload_query('$.sub')
  http-request set-var(txn.exp) var(txn.bearer),jwt_payload_query('$.exp','int')
  http-request set-var(txn.now) date()
  http-request deny deny_status 401 unless {{ var(txn.alg) -m str ES256 }}
  http-request deny deny_status 401 unless {{ var(txn.iss) -m str {issuer} }}
  http-request deny deny_status 401 unless {{ var(txn.aud) -m str {audience} }}
  http-request deny deny_status 401 if {{ var(txn.exp),sub(txn.now) -m int lt 0 }}
  http-request deny deny_status 401 unless {{ var(txn.bearer),jwt_verify(txn.alg,"{key}") -m int 1 }}
  http-request set-header x-subject %[var(txn.sub)]
"""

# One thread, no access log, signatures checked with the key set itself.
ENVOY = """
static_resources:
  listeners:
  - address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: in
          http_filters:
          - name: envoy.filters.http.jwt_authn
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication
              providers:
                doorward:
                  issuer: {issuer}
                  audiences: [ {audience} ]
                  local_jwks: {{ inline_string: '{keys}' }}
                  jwt_cache_config: {{ jwt_cache_size: 100 }}
                  claim_to_headers: [ {{ header_name: x-subject, claim_name: sub }} ]
              rules: [ {{ match: {{ prefix: / }}, requires: {{ provider_name: doorward }} }} ]
          - name: envoy.filters.http.router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
          route_config:
            virtual_hosts:
            - name: all
              domains: [ "*" ]
              routes: [ {{ match: {{ prefix: / }}, route: {{ cluster: api }} }} ]
  clusters:
  - name: api
    type: STATIC
    load_assignment: {{ cluster_name: api, endpoints: [ {{ lb_endpoints: [ {{ endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {upstream} }} }} }} }} ] }} ] }}
"""

# Another token for each request, on from where the last run stopped.
UNSEEN = """
local tokens, at = {}, tonumber(os.getenv("AT"))
for token in io.lines(os.getenv("TOKENS")) do tokens[#tokens + 1] = token end
request = function()
  at = at % #tokens + 1
  return wrk.format("GET", nil, { Authorization = "Bearer " .. tokens[at] })
end
"""

# Four times as many as the gateway remembers.
TOKENS = 65_536

# What the example's tokens say.
ISSUER, AUDIENCE = "http://127.0.0.1:4180", "orders-api"

# What each contender does, for the drawing.
WHAT = {
    "nginx": "nginx, forwards",
    "haproxy": "haproxy, forwards",
    "doorward": "doorward, token seen before",
    "doorward-beside": "doorward, seen beside unseen",
    "doorward-public": "doorward, public route",
    "doorward-where": "doorward, with a tenant",
    "doorward-cedar": "doorward, with policies",
    "doorward-unseen": "doorward, tokens never seen",
    "doorward-cedar-unseen": "doorward, policies, never seen",
    "haproxy-jwt": "haproxy, jwt_verify",
    "envoy-jwt": "Envoy, token seen before",
    "envoy-jwt-unseen": "Envoy, tokens never seen",
}

# What the whole binary is measured beside; the others need what the example tells.
OF_BOTH = ("nginx", "haproxy", "doorward", "doorward-public")

PATHS = {
    "public": "/public",
    "where": "/tenants/acme/orders/7",
    "cedar": "/governed/acme/orders/7",
}

DOORWARD = """
upstream = "http://127.0.0.1:{upstream}"
identity_headers = ["subject", "tenant"]
[tokens]
access_lifetime = "1h"
[roles.reader]
permissions = ["orders:read"]
[[route]]
match = "GET /orders/{{id}}"
allow = "orders:read"
[[route]]
match = "GET /public"
public = true
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def await_port(port):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    sys.exit(f"nothing listens on {port}")


class Proxies:
    def __init__(self, options, place):
        self.options, self.place = options, place
        self.children, self.ports, self.pids = [], {}, {}
        self.keys, self.tokens, self.asked = None, None, 0
        # A token for each process, which it sees again and again.
        self.seen_token = {}

    def start(self, name, command, port, **more):
        pinned = ["taskset", "-c", self.options.core] if name != "upstream" else []
        log = open(self.place / f"{name}.log", "wb")
        more = {"stdout": subprocess.DEVNULL, "stderr": log, **more}
        child = subprocess.Popen(pinned + command, **more)
        self.children.append(child)
        await_port(port)
        self.ports[name], self.pids[name] = port, child.pid

    def nginx(self, name, config, **values):
        port = free_port()
        file = self.place / f"{name}.conf"
        file.write_text(config.format(place=self.place, port=port, **values))
        self.start(name, [found("nginx"), "-p", str(self.place), "-c", str(file)], port)

    def haproxy(self, name, upstream, checks=""):
        port = free_port()
        file = self.place / f"{name}.conf"
        config = HAPROXY.format(port=port, upstream=upstream)
        file.write_text(config.replace("  default_backend", checks + "  default_backend"))
        self.start(name, [found("haproxy"), "-db", "-f", str(file)], port)

    def haproxy_jwt(self, upstream):
        """Only beside the example, which tells its key."""
        key = self.place / "key.pem"
        key.write_text(pem(json.loads(self.keys)["keys"][0]))
        checks = HAPROXY_JWT.format(issuer=ISSUER, audience=AUDIENCE, key=key)
        self.haproxy("haproxy-jwt", upstream, checks)
        self.seen_token["haproxy-jwt"] = self.seen_token["doorward-unseen"]

    def envoy(self, name, upstream):
        """Only beside the example, which tells its key."""
        port, file = free_port(), self.place / f"{name}.yaml"
        told = {"issuer": ISSUER, "audience": AUDIENCE, "keys": self.keys}
        file.write_text(ENVOY.format(port=port, upstream=upstream, **told))
        options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "off"]
        self.start(name, [str(self.options.envoy), *options, "-c", str(file)], port)
        self.seen_token[name] = self.seen_token["doorward-unseen"]

    def bare(self, name, upstream, count):
        """The data plane alone. Returns what it tells: its keys, and tokens."""
        port, told = free_port(), self.place / f"{name}.told"
        with open(told, "wb") as out:
            command = [str(self.options.binary), str(port), str(upstream), str(count)]
            self.start(name, command, port, stdout=out)
        keys, *tokens = told.read_text().splitlines()
        self.seen_token[name] = tokens[0]
        return keys, tokens

    def bares(self, upstream):
        """One for what is always seen, and one for the others, which peers check too."""
        self.bare("doorward", upstream, 1)
        is_many = any(name.endswith("-unseen") for name in self.options.only)
        count = TOKENS if is_many else 1
        self.keys, tokens = self.bare("doorward-unseen", upstream, count)
        self.tokens = self.place / "tokens"
        self.tokens.write_text("\n".join(tokens))
        (self.place / "unseen.lua").write_text(UNSEEN)

    def doorward(self, upstream):
        binary, data = str(self.options.binary), str(self.place / "data")
        environment = {"DOORWARD_DATA": data, "NO_COLOR": "1", "PATH": os.environ["PATH"]}
        # A first start of the demo makes its users.
        port, admin = free_port(), free_port()
        at = ["--listen", f"127.0.0.1:{port}", "--admin-listen", f"127.0.0.1:{admin}"]
        demo = subprocess.Popen(
            [binary, "up", "--demo", "--json", *at], env=environment, stdout=subprocess.DEVNULL
        )
        await_port(port)
        demo.terminate()
        demo.wait()
        file = self.place / "doorward.toml"
        file.write_text(DOORWARD.format(upstream=upstream))
        command = [binary, "up", "--json", *at, "--config", str(file)]
        self.start("doorward", command, port, env=environment)
        # The first answer comes after tokens of wider roles were ended, as the demo's are.
        with socket.create_connection(("127.0.0.1", port), timeout=30) as caller:
            caller.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            if not caller.recv(1):
                sys.exit("doorward hung up on the first request")
        minted = subprocess.run(
            [binary, "token", "mint", "--as", "reader"], env=environment, capture_output=True,
            text=True, check=True,
        )
        self.seen_token["doorward"] = minted.stdout.strip()

    def threads(self, name):
        """CPU nanoseconds of each thread, children of nginx included."""
        ran = {}
        for pid in [self.pids[name], *children(self.pids[name])]:
            for task in Path(f"/proc/{pid}/task").iterdir():
                try:
                    ran[(task / "comm").read_text().strip(), task.name] = int(
                        (task / "schedstat").read_text().split()[0]
                    )
                except OSError:
                    pass
        return ran

    def resident(self, name):
        total = 0
        for pid in [self.pids[name], *children(self.pids[name])]:
            status = Path(f"/proc/{pid}/status").read_text()
            total += int(re.search(r"VmRSS:\s+(\d+)", status)[1])
        return total / 1024

    def end(self):
        for child in reversed(self.children):
            child.send_signal(signal.SIGTERM)
        for child in self.children:
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()


def pem(jwk):
    """A key on P-256 as openssl has it (RFC 5480)."""
    prefix = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
    number = lambda name: base64.urlsafe_b64decode(jwk[name] + "=")
    text = base64.encodebytes(prefix + number("x") + number("y")).decode()
    return f"-----BEGIN PUBLIC KEY-----\n{text}-----END PUBLIC KEY-----\n"


def children(pid):
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def found(program):
    path = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    return path or sys.exit(f"{program} is not on this machine")


def micros(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()
    return float(number) * {"us": 1, "ms": 1e3, "s": 1e6}[unit]


def load(options, port, path, fields, environment):
    out = subprocess.run(
        [found("wrk"), "-t", "1", "-c", str(options.connections), "-d", f"{options.seconds}s",
         "--latency", *fields, f"http://127.0.0.1:{port}{path}"],
        capture_output=True, text=True, check=True, env=environment,
    ).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        sys.exit(out)
    latency = lambda percent: micros(re.search(rf"^ +{percent}% +(\S+)", out, re.M)[1])
    return {
        "requests": int(re.search(r"(\d+) requests in", out)[1]),
        "rate": float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]),
        "p50": latency(50),
        "p99": latency(99),
    }


def process_of(contender):
    """The process that is asked, and what for."""
    sees_others = contender.endswith(("-unseen", "-beside"))
    name = contender.removesuffix("-unseen").removesuffix("-beside")
    kind = ""
    if name.startswith("doorward-"):
        name, kind = name.split("-")
    return name + ("-unseen" if sees_others else ""), kind


def measure(proxies, contender):
    (name, kind), is_unseen = process_of(contender), contender.endswith("-unseen")
    # Who forwards is sent it too.
    token = proxies.seen_token.get(name, proxies.seen_token["doorward"])
    fields, environment = ["-H", f"Authorization: Bearer {token}"], dict(os.environ)
    if is_unseen:
        fields = ["-s", str(proxies.place / "unseen.lua")]
        environment |= {"TOKENS": str(proxies.tokens), "AT": str(proxies.asked % TOKENS)}
    path = PATHS.get(kind, "/orders/7")
    before = proxies.threads(name)
    seen = load(proxies.options, proxies.ports[name], path, fields, environment)
    if is_unseen:
        # As many as were answered, and those that were on their way.
        proxies.asked += seen["requests"] + proxies.options.connections
    after = proxies.threads(name)
    ran = {thread: after[thread] - before.get(thread, 0) for thread in after}
    each = 1000 * seen["requests"]
    seen["cpu"] = sum(ran.values()) / each
    of_gateway = [spent for (comm, _), spent in ran.items() if comm.startswith("gateway-")]
    seen["gateway"] = sum(of_gateway) / each
    seen["rss"] = proxies.resident(name)
    return seen


def waits(proxies, name, rate):
    """Microseconds within which half and 99 of 100 are answered at `rate`."""
    options, log = proxies.options, proxies.place / "waits"
    each = max(1, round(rate / options.connections))
    log.unlink(missing_ok=True)
    subprocess.run(
        [found("h2load"), "--h1", "-t", "1", "-c", str(options.connections),
         "--rps", str(each), "-D", str(options.seconds), "--log-file", str(log),
         "-H", f"authorization: Bearer {proxies.seen_token['doorward']}",
         f"http://127.0.0.1:{proxies.ports[name]}/orders/7"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True,
    )
    took = sorted(int(line.split()[2]) for line in log.read_text().splitlines())
    return took[len(took) // 2], took[len(took) * 99 // 100]


def at_half_load(proxies, rounds):
    pushed = statistics.median(seen["rate"] for seen in rounds["nginx"])
    seen = {"nginx": [], "doorward": []}
    for name in list(seen) * min(proxies.options.rounds, 5):
        seen[name].append(waits(proxies, name, pushed / 2))
    ratios = [own[1] / base[1] for own, base in zip(seen["doorward"], seen["nginx"])]
    print(f"\nAt {pushed / 2:,.0f} requests a second, half of what nginx reached:\n")
    print("| | p50 µs | p99 µs | of nginx |\n| --- | ---: | ---: | ---: |")
    for name, ratio in (("nginx", 1), ("doorward", statistics.median(ratios))):
        p50, p99 = (statistics.median(waited) for waited in zip(*seen[name]))
        print(f"| {name} | {p50:,.0f} | {p99:,.0f} | {ratio:.2f} × |")


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--binary", type=Path, required=True)
    options.add_argument("--bare", action="store_true", help="the binary is the example")
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--seconds", type=int, default=2)
    options.add_argument("--connections", type=int, default=64)
    options.add_argument("--core", default="1", help="the proxies' core")
    options.add_argument("--only", help="contenders; by default all that the binary has")
    options.add_argument("--json", action="store_true")
    options.add_argument("--svg", type=Path, help="where the drawing goes")
    target = Path(os.environ.get("CARGO_TARGET_DIR", "target"))
    options.add_argument(
        "--envoy", type=Path, default=target / "clients/envoy/envoy/_bin/envoy",
        help="the program; `.ci/steps.sh clients` fetches it",
    )
    options = options.parse_args()
    usual = ",".join(OF_BOTH)
    more = (",doorward-where,doorward-cedar,doorward-unseen,doorward-beside"
            ",doorward-cedar-unseen,haproxy-jwt,envoy-jwt,envoy-jwt-unseen")
    options.only = (options.only or usual + (more if options.bare else "")).split(",")
    check(options)
    if not options.envoy.exists() and any("envoy" in name for name in options.only):
        print(f"{options.envoy} is not on this machine: no rows for Envoy", file=sys.stderr)
        options.only = [name for name in options.only if "envoy" not in name]
    with tempfile.TemporaryDirectory() as place:
        proxies = Proxies(options, Path(place))
        try:
            run(options, proxies)
        finally:
            proxies.end()


def check(options):
    """Ends the program if --only names what cannot be measured."""
    if unknown := [name for name in options.only if name not in WHAT]:
        sys.exit(f"--only knows no {', '.join(unknown)}, but {', '.join(WHAT)}")
    of_bare = [name for name in options.only if name not in OF_BOTH]
    if of_bare and not options.bare:
        sys.exit(f"{', '.join(of_bare)}: only with --bare, which tells its keys and has the routes")
    if "nginx" not in options.only:
        sys.exit("--only needs nginx, which the others are compared with")
    if "doorward-beside" in options.only and "doorward-unseen" not in options.only:
        sys.exit("doorward-beside needs doorward-unseen, which it is beside")


def run(options, proxies):
    proxies.nginx("upstream", UPSTREAM, body="x" * 100)
    upstream = proxies.ports["upstream"]
    proxies.nginx("nginx", NGINX, upstream=upstream)
    contenders = options.only
    if "haproxy" in contenders:
        proxies.haproxy("haproxy", upstream)
    if options.bare:
        proxies.bares(upstream)
    else:
        proxies.doorward(upstream)
    if "haproxy-jwt" in contenders:
        proxies.haproxy_jwt(upstream)
    for envoy in ("envoy-jwt", "envoy-jwt-unseen"):
        if envoy in contenders:
            proxies.envoy(envoy, upstream)
    rounds = {contender: [] for contender in contenders}
    for contender in contenders * options.rounds:
        rounds[contender].append(measure(proxies, contender))
    middle = lambda contender, figure: statistics.median(
        seen[figure] for seen in rounds[contender]
    )
    ratio = lambda contender, figure: statistics.median(
        seen[figure] / base["cpu"] for seen, base in zip(rounds[contender], rounds["nginx"])
    )
    if options.json:
        print(json.dumps(rounds))
        return
    print("| | requests/s | CPU µs a request | of nginx | of it the data plane | of nginx "
          "| p50 µs | p99 µs | resident MiB |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for contender in contenders:
        plane = "–", "–"
        if contender.startswith("doorward"):
            plane = (f"{middle(contender, 'gateway'):.1f}", f"{ratio(contender, 'gateway'):.2f} ×")
        print(
            f"| {contender} | {middle(contender, 'rate'):,.0f} | {middle(contender, 'cpu'):.1f} "
            f"| {ratio(contender, 'cpu'):.2f} × | {plane[0]} | {plane[1]} "
            f"| {middle(contender, 'p50'):,.0f} | {middle(contender, 'p99'):,.0f} "
            f"| {middle(contender, 'rss'):.1f} |"
        )
    if options.svg:
        figures = [(name, WHAT[name], ratio(name, "cpu")) for name in contenders]
        options.svg.write_text(plot.svg(figures))
    if "doorward" in contenders:
        at_half_load(proxies, rounds)


main()
