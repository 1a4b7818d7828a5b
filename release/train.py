#!/usr/bin/env python3
"""Works a binary as its users do, so that its profile tells what is usual.

    release/train.py BINARY     doorward, or the example `bare` of the gateway

Requests with tokens seen before and never seen, refused ones, bodies, TLS and
HTTP/2, sign-ins, refreshes and programs, in proportions that are near enough: a
profile counts what is taken often and what never, not what is timed.
"""

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from base64 import b64encode
from pathlib import Path
from urllib.parse import urlencode

CONFIG = """
upstream = "http://127.0.0.1:{upstream}"
[roles.reader]
permissions = ["orders:read", "orders:create"]
[[route]]
match = "GET /orders/{{id}}"
allow = "orders:read"
[[route]]
match = "POST /orders"
allow = "orders:create"
[[route]]
match = "GET /tenants/{{tenant}}/orders/{{id}}"
allow = "orders:read"
where = {{ tenant = "{{tenant}}" }}
[[route]]
match = "GET /public"
public = true
"""

OTHER_ROUTE = """
[[route]]
match = "GET /other-{number}/{{id}}"
allow = "orders:read"
"""

TLS = """
[[tls]]
certificate = "{place}/cert.pem"
key = "{place}/key.pem"
"""

# Callers at a time, as many requests before any answer is read.
CALLERS = 32


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: release/train.py BINARY")
    binary = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        upstream = Upstream()
        if binary.name == "bare":
            bare(binary, upstream)
            return
        with Served([binary, "up", "--demo", "--json"], place) as demo:
            people(demo)
            token = demo.run("token", "mint", "--as", "editor").strip()
            ask(demo.port, token, ["/orders", "/orders/7"], 2000)
            refused(demo.port, token)
        config = place / "doorward.toml"
        routes = "".join(OTHER_ROUTE.format(number=number) for number in range(200))
        config.write_text(CONFIG.format(upstream=upstream.port) + routes)
        with Served([binary, "up", "--json", "--config", config], place) as own:
            token = own.run("token", "mint", "--as", "reader").strip()
            ask(own.port, token, ["/orders/7", "/tenants/acme/orders/7"], 60_000)
            ask(own.port, None, ["/public"], 10_000)
            ask(own.port, token, ["/orders"], 5_000, body=b"x" * 300)
            programs(own)
            refused(own.port, token)
        certificate(place)
        config.write_text(config.read_text() + TLS.format(place=place))
        command = [binary, "up", "--json", "--config", config]
        with Served(command, place, is_secure=True) as secure:
            token = secure.run("token", "mint", "--as", "reader").strip()
            for _ in range(50):
                encrypted(secure.port, token, 50)
            http2(secure.port, token, 3000)


def bare(binary, upstream):
    port = free_port()
    command = [binary, str(port), str(upstream.port), "4096"]
    with Process(command, signal.SIGINT, stdout=subprocess.PIPE, text=True) as process:
        _, *tokens = [process.child.stdout.readline().strip() for _ in range(4097)]
        process.await_port(port)
        ask(port, tokens[0], ["/orders/7", "/tenants/acme/orders/7"], 60_000)
        ask(port, tokens[0], ["/governed/acme/orders/7"], 10_000)
        ask(port, None, ["/public"], 10_000)
        for token in tokens:
            ask(port, token, ["/orders/7"], 2)
        refused(port, tokens[0])


class Process:
    """A program that ends in order, because a profile is written at the end only."""

    def __init__(self, command, last_word=signal.SIGTERM, **how):
        self.command, self.last_word, self.how = command, last_word, how

    def __enter__(self):
        self.child = subprocess.Popen(self.command, **self.how)
        try:
            self.begin()
        except BaseException:
            self.child.kill()
            raise
        return self

    def begin(self):
        pass

    def __exit__(self, kind, *_):
        if kind is not None:
            self.child.kill()
            return
        self.child.send_signal(self.last_word)
        try:
            ended = self.child.wait(60)
        except subprocess.TimeoutExpired:
            self.child.kill()
            ended = "no word after a minute"
        if ended != 0:
            sys.exit(f"{shown(self.command)} ended with {ended}")

    def await_port(self, port):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.child.poll() is None:
            try:
                return socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                time.sleep(0.05)
        sys.exit(f"{shown(self.command)} does not listen on {port}")


def shown(command):
    return " ".join(str(part) for part in command)


class Served(Process):
    """The binary, serving on its data folder."""

    def __init__(self, command, place, is_secure=False):
        self.binary, self.port, self.is_secure = command[0], free_port(), is_secure
        at = ["--listen", f"127.0.0.1:{self.port}",
              "--admin-listen", f"127.0.0.1:{free_port()}"]
        self.data = place / "data"
        self.environment = {**os.environ, "DOORWARD_DATA": str(self.data), "NO_COLOR": "1"}
        super().__init__([*command, *at], env=self.environment, stdout=subprocess.DEVNULL)

    def begin(self):
        self.await_port(self.port)
        # Its first start is over when it answers.
        caller = connect(self.port, self.is_secure)
        caller.sendall(head("/.well-known/jwks.json", None, b""))
        answer(caller, 200)

    def run(self, *arguments):
        done = subprocess.run(
            [self.binary, *arguments], env=self.environment, capture_output=True, text=True
        )
        return done.stdout if done.returncode == 0 else sys.exit(done.stderr)

    def post(self, path, body, kind="application/json", **fields):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("POST", path, body, {"Content-Type": kind, **fields})
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
        return json.loads(said) if answer.status < 300 else sys.exit(f"{path}: {said}")


def people(demo):
    """Sign-ins, and sessions that go on for long."""
    users = json.loads((demo.data / "demo.json").read_text())["users"]
    for user in users * 4:
        who = {"username": user["username"], "password": user["password"]}
        session = demo.post("/auth/sign-in", json.dumps(who))
        for _ in range(100):
            last = {"refresh_token": session["refresh_token"]}
            session = demo.post("/auth/refresh", json.dumps(last))


def programs(own):
    """Tokens of programs, each of them used once."""
    added = own.run("client", "add", "nightly", "--role", "reader", "--json")
    client = json.loads(added)
    pair = f"{client['client']['client_id']}:{client['client_secret']}".encode()
    basic = {"Authorization": "Basic " + b64encode(pair).decode()}
    form = urlencode({"grant_type": "client_credentials"})
    for _ in range(1000):
        kind = "application/x-www-form-urlencoded"
        token = own.post("/oauth2/token", form, kind, **basic)["access_token"]
        ask(own.port, token, ["/orders/7"], 2)


def head(path, token, body):
    method = "POST" if body else "GET"
    fields = "Host: 127.0.0.1\r\nUser-Agent: training\r\nAccept: */*\r\n"
    if token:
        fields += f"Authorization: Bearer {token}\r\n"
    if body:
        fields += f"Content-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
    return f"{method} {path} HTTP/1.1\r\n{fields}\r\n".encode() + body


def ask(port, token, paths, count, body=b"", status=200):
    """Asks `count` times, by several callers at a time."""
    requests = [head(path, token, body) for path in paths]
    callers = [connect(port) for _ in range(min(CALLERS, count))]
    for turn in range(count // len(callers)):
        request = requests[turn % len(requests)]
        for caller in callers:
            caller.sendall(request)
        for caller in callers:
            answer(caller, status)
    for caller in callers:
        caller.close()


def connect(port, is_secure=False):
    caller = socket.create_connection(("127.0.0.1", port), timeout=30)
    if not is_secure:
        return caller
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(caller)


def answer(caller, status):
    said = b""
    while b"\r\n\r\n" not in said:
        said += more(caller)
    first, rest = said.split(b"\r\n\r\n", 1)
    if not first.startswith(f"HTTP/1.1 {status} ".encode()):
        sys.exit(f"wanted {status}: {said.decode()}")
    while len(rest) < length(first):
        rest += more(caller)


def more(caller):
    return caller.recv(65536) or sys.exit("the connection ended in the middle of an answer")


def length(first):
    """Of the body behind the head `first`."""
    lines = first.lower().splitlines()
    lengths = [line.split(b":")[1] for line in lines if line.startswith(b"content-length:")]
    return int(lengths[0]) if lengths else 0


def refused(port, token):
    ask(port, None, ["/orders/7"], 1000, status=401)
    ask(port, token[:-8] + "AAAAAAAA", ["/orders/7"], 500, status=401)
    ask(port, token, ["/nowhere"], 500, status=404)


def encrypted(port, token, count):
    """A connection of TLS with HTTP/1.1."""
    with connect(port, is_secure=True) as caller:
        for _ in range(count):
            caller.sendall(head("/orders/7", token, b""))
            answer(caller, 200)


def http2(port, token, count):
    done = subprocess.run(
        ["curl", "--silent", "--max-time", "60", "--fail", "--insecure",
         "--http2", "--parallel", "--output", os.devnull, "--write-out", "%{http_version}\n",
         "--header", f"Authorization: Bearer {token}",
         f"https://127.0.0.1:{port}/orders/[1-{count}]"],
        capture_output=True, text=True,
    )
    if done.returncode != 0 or done.stdout.split() != ["2"] * count:
        sys.exit(f"curl ended with {done.returncode}: {done.stdout[-200:]}{done.stderr[-200:]}")


def certificate(place):
    done = subprocess.run(
        ["openssl", "req", "-x509", "-nodes", "-days", "3", "-newkey", "ec",
         "-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=training",
         "-addext", "subjectAltName=IP:127.0.0.1",
         "-addext", "basicConstraints=critical,CA:FALSE",
         "-keyout", str(place / "key.pem"), "-out", str(place / "cert.pem")],
        capture_output=True, text=True,
    )
    if done.returncode != 0:
        sys.exit(f"openssl ended with {done.returncode}: {done.stderr}")


class Upstream:
    """An API that answers whatever is asked with 100 bytes."""

    SAID = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\n" + b"x" * 100

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.speak, args=[connection], daemon=True).start()

    def speak(self, connection):
        heard = b""
        while True:
            while b"\r\n\r\n" not in heard:
                piece = connection.recv(65536)
                if not piece:
                    return
                heard += piece
            asked, heard = heard.split(b"\r\n\r\n", 1)
            body = length(asked)
            while len(heard) < body:
                piece = connection.recv(65536)
                if not piece:
                    return
                heard += piece
            heard = heard[body:]
            connection.sendall(self.SAID)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


main()
