"""Loads, made by `wrk` in a process of its own over keep-alive connections."""

import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

from house import PASSWORD, Caller, found

SCRIPT = Path(__file__).with_name("load.lua")


class Load:
    """`wrk` with `connections` that each wait `pause` ms, on average, between
    an answer and the next request."""

    def __init__(self, node, place, kind, lines, connections, seconds, pause=0, refused=False):
        self.node, self.seconds, self.refused = node, seconds, refused
        file = place / f"{kind}-{time.monotonic_ns()}.lines"
        file.write_text("\n".join(lines) + "\n")
        environment = os.environ | {"KIND": kind, "LINES": str(file), "PAUSE": str(pause)}
        command = [
            found("wrk"), "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--timeout", "30s",
            "--latency", "-s", str(SCRIPT), f"http://127.0.0.1:{node.port}",
        ]
        self.before, self.begun = node.cpu(), time.monotonic()
        self.wrk = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def end(self):
        """What it saw. `rate` counts what was answered with success."""
        out, _ = self.wrk.communicate()
        spent = self.node.cpu() - self.before
        requests = re.search(r"(\d+) requests in ([\d.]+)(m?s)", out)
        if not requests or "Socket errors" in out:
            sys.exit(f"wrk failed:\n{out}")
        denied = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
        denied = int(denied[1]) if denied else 0
        if denied and not self.refused:
            sys.exit(f"{denied} requests were refused:\n{out}")
        count, took = int(requests[1]), float(requests[2])
        latency = lambda percent: millis(re.search(rf"^ +{percent}% +(\S+)", out, re.M)[1])
        return {
            "rate": (count - denied) / took,
            "offered": count / took,
            "cpu_us": 1e6 * spent / max(count - denied, 1),
            "p50_ms": latency(50),
            "p99_ms": latency(99),
        }


def millis(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(number) * {"us": 1e-3, "ms": 1, "s": 1e3, "m": 6e4}[unit]


def refresh(house, connections, seconds, pause=0):
    # wrk asks for one request before it begins.
    tokens = [session["refresh_token"] for session in house.sessions(connections + 4)]
    return Load(house.issuer, house.place, "refresh", tokens, connections, seconds, pause)


def sign_in(house, connections, seconds, pause=0, refused=False):
    lines = [json.dumps({"username": user, "password": PASSWORD}) for user in house.users]
    return Load(house.issuer, house.place, "sign-in", lines, connections, seconds, pause, refused)


def credentials(house, connections, seconds):
    client = house.client
    form = f"grant_type=client_credentials&client_id={client['id']}&client_secret={client['secret']}"
    return Load(house.issuer, house.place, "credentials", [form], connections, seconds)


def floor(example, seconds):
    """Argon2 alone, hashes a second: one at a time, as the issuer has it."""
    out = subprocess.run([str(example), str(seconds)], capture_output=True, text=True, check=True)
    return float(out.stdout)


def sync_cost(place):
    """Median of writing a page and having it on the disk, ms."""
    took = []
    with open(place / "sync", "wb", buffering=0) as file:
        for _ in range(200):
            file.write(bytes(4096))
            begun = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(1000 * (time.perf_counter() - begun))
    return statistics.median(took)


def revocations(house, count):
    """Sign-outs, one after the other: from sending one to the first refusal at
    a gateway in a process of its own, which is asked all the time. Sorted ms."""
    told, gateway = house.gateway_after_sign_outs()
    tokens = [session["access_token"] for session in house.sessions(count)]
    asked, signing_out = Caller(gateway.port), Caller(told.port)
    await_status(asked, tokens[0], 200)
    took = []
    for token in tokens:
        await_status(asked, token, 200)
        begun = time.perf_counter()
        sending = threading.Thread(
            target=signing_out.must, args=("POST", "/auth/sign-out", None, token)
        )
        sending.start()
        await_status(asked, token, 401)
        took.append(1000 * (time.perf_counter() - begun))
        sending.join()
    return sorted(took)


def await_status(caller, token, wanted):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        status, body = caller.call("GET", "/orders/7", None, token)
        if status == wanted:
            return
    sys.exit(f"not {wanted} within 20 s, but {status}: {body.decode()}")
