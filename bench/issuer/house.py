"""The processes that are measured, on ports and in folders of their own, and
what is asked of them before the clock runs."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TENANT, ROLE, PASSWORD = "acme", "reader", "a password of the bench"

USERS = 48

CONFIG = """
issuer = "http://127.0.0.1:{issuer}"
audience = "orders-api"
[roles.reader]
permissions = ["orders:read"]
[[route]]
match = "GET /orders/{{id}}"
allow = "orders:read"
"""

UPSTREAM = """
worker_processes 1; daemon off; pid {place}/upstream.pid; error_log /dev/null;
events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 1000000000;
  client_body_temp_path {place}; proxy_temp_path {place}; fastcgi_temp_path {place};
  uwsgi_temp_path {place}; scgi_temp_path {place};
  server {{ listen 127.0.0.1:{port}; location / {{ return 200 "an order"; }} }} }}
"""

SCRIPT = Path(__file__).parents[2] / "crates/doorward-issuer/tests/domain/postgres_server.sh"


def found(program):
    path = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    return path or sys.exit(f"{program} is not on this machine")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Caller:
    """One keep-alive connection."""

    def __init__(self, port):
        self.port = port
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def call(self, method, path, body=None, token=None):
        fields = {"Content-Type": "application/json"} if body is not None else {}
        if token:
            fields["Authorization"] = f"Bearer {token}"
        text = json.dumps(body) if body is not None else None
        self.connection.request(method, path, text, fields)
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def must(self, method, path, body=None, token=None):
        status, answer = self.call(method, path, body, token)
        if status >= 300:
            sys.exit(f"{method} {path}: {status} {answer.decode()}")
        return json.loads(answer) if answer else None

    def sign_in(self, user):
        """The tokens; a while later, where a load has just left a queue."""
        body, deadline = {"username": user, "password": PASSWORD}, time.monotonic() + 30
        while True:
            status, answer = self.call("POST", "/auth/sign-in", body)
            if status == 200:
                return json.loads(answer)
            if status not in (429, 503) or time.monotonic() > deadline:
                sys.exit(f"signing in: {status} {answer.decode()}")
            time.sleep(0.2)


class Node:
    """A `doorward` process."""

    def __init__(self, house, name, role, *arguments, port=None):
        self.port, self.admin = port or free_port(), free_port()
        self.data = house.place / name
        at = ["--listen", f"127.0.0.1:{self.port}", "--admin-listen", f"127.0.0.1:{self.admin}"]
        environment = {"DOORWARD_DATA": str(self.data), "NO_COLOR": "1", "PATH": os.environ["PATH"]}
        log = house.place / f"{name}.log"
        with open(log, "wb") as errors:
            self.process = house.started(
                [str(house.binary), "serve", role, "--json", *at, *map(str, arguments)],
                env=environment, stdout=subprocess.DEVNULL, stderr=errors,
            )
        for port in (self.port, self.admin):
            house.await_port(port, self.process, log)
        self.pid = self.process.pid

    def operator(self):
        """The operator's token, which is written once the listeners are open."""
        file, deadline = self.data / "operator.token", time.monotonic() + 30
        while not file.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        return file.read_text().strip()

    def cpu(self):
        """CPU seconds of all its threads so far."""
        stat = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self, field):
        """MiB; `VmRSS` now, `VmHWM` the most since `forget_peak`."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"{field}:\s+(\d+)", status)[1]) / 1024

    def forget_peak(self):
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")


class House:
    """An issuer on one kind of database, with its users and its client."""

    def __init__(self, binary, place, engine):
        self.binary, self.place, self.engine = binary, place, engine
        self.children, self.orders = [], None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def open(self):
        """Starts the issuer, and makes what is measured later."""
        self.database = self.postgres() if self.engine == "PostgreSQL" else []
        self.issuer_port = free_port()
        self.config = self.place / "doorward.toml"
        self.config.write_text(CONFIG.format(issuer=self.issuer_port))
        self.issuer = self.issuer_node("issuer", self.issuer_port)
        self.users = [f"user-{n}" for n in range(USERS)]
        self.client = self.populate()

    def issuer_node(self, name, port):
        return Node(self, name, "issuer", "--config", self.config, *self.database, port=port)

    def postgres(self):
        """A server that syncs what it commits, on a socket of its own."""
        # Short, because the name of a socket may have 107 bytes.
        folder = Path(subprocess.check_output(["mktemp", "-d", "/tmp/dwpgXXXXXX"], text=True).strip())
        self.orders = subprocess.Popen(
            ["sh", str(SCRIPT), str(folder), ""], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.orders.stdin.write("start\n")
        self.orders.stdin.flush()
        if self.orders.stdout.readline().strip() != "started":
            sys.exit("PostgreSQL did not start")
        return ["--database", f"postgres:///postgres?user=doorward&host={folder}"]

    def populate(self):
        """The tenant, its users and a service client."""
        operator = self.issuer.operator()
        admin = Caller(self.issuer.admin)
        admin.must("POST", "/api/tenants", {"name": TENANT}, operator)

        def add(user):
            admin = Caller(self.issuer.admin)
            body = {"username": user, "password": PASSWORD, "tenant": TENANT}
            admin.must("POST", "/api/users", body, operator)
            admin.must("PUT", f"/api/users/{user}/grants/{TENANT}/{ROLE}", None, operator)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(add, self.users))
        body = {"name": "billing", "tenant": TENANT, "permissions": ["orders:read"]}
        # On another connection: the first one may have been idle for too long.
        return Caller(self.issuer.admin).must("POST", "/api/clients", body, operator)

    def sessions(self, count):
        """Fresh ones, each with what the sign-in answered."""
        users = [self.users[n % USERS] for n in range(count)]
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(lambda user: Caller(self.issuer.port).sign_in(user), users))

    def session_of(self, user):
        return Caller(self.issuer_port).sign_in(user)

    def gateway_after_sign_outs(self):
        """Where sign-outs are sent, and a gateway that must hear of them: it
        follows the issuer or, on PostgreSQL, another node on the same database."""
        upstream = free_port()
        file = self.place / "upstream.conf"
        file.write_text(UPSTREAM.format(place=self.place, port=upstream))
        command = [found("nginx"), "-p", str(self.place), "-c", str(file)]
        nginx = self.started(command, stderr=subprocess.DEVNULL)
        self.await_port(upstream, nginx, None)
        told = self.issuer
        if self.engine == "PostgreSQL":
            (self.place / "second").mkdir(mode=0o700)
            shutil.copy(self.issuer.data / "master.key", self.place / "second/master.key")
            told = self.issuer_node("second", free_port())
        gateway = Node(
            self, "gateway", "gateway", "--config", self.config,
            "--upstream", f"http://127.0.0.1:{upstream}",
        )
        return told, gateway

    def started(self, command, **how):
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, **how)
        self.children.append(child)
        return child

    def await_port(self, port, process, log):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        sys.exit(f"nothing listens on {port}\n{log.read_text() if log else ''}")

    def end(self):
        for child in reversed(self.children):
            child.send_signal(signal.SIGTERM)
        for child in self.children:
            try:
                child.wait(15)
            except subprocess.TimeoutExpired:
                child.kill()
        if self.orders:
            self.orders.stdin.close()
            self.orders.wait()
