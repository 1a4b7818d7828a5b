#!/usr/bin/env python3
"""Honest clients that have bad luck, and thieves, before the real binary.

Two hundred clients refresh their sessions again and again: in two tabs at once,
with answers that never arrive, and through a server that is ended every few
seconds, by turns politely and with `kill -9`. Beside them refresh tokens are
stolen: whoever of owner and thief is slower brings a token that is two behind, or
one behind and after the overlap. No honest client may be signed out, and every
theft must end its session for both. Exits with 1 if either fails.
"""

import argparse
import http.client
import json
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from house import House

# Longest that a client tries one refresh: inside the overlap of 20 s, with
# which an answer that was lost is given again.
PATIENCE = 15

# Longer than the overlap.
TOO_LATE = 22


class Lost(Exception):
    """No answer, whatever happened to the request."""


class Client:
    """A session, and the token that goes on with it."""

    def __init__(self, run, user):
        self.run, self.random = run, random.Random(user)
        self.token = run.sign_in(user)

    def live(self):
        while not self.run.over.wait(self.random.uniform(0.3, 1.2)):
            kind = self.random.choice(["alone", "two tabs", "lost answer"])
            try:
                getattr(self, kind.replace(" ", "_"))()
            except SignedOut as error:
                self.run.note(f"an honest client was signed out: {kind}: {error}")
                self.run.counted["honest sign-outs"] += 1
                return
            except Lost:
                # Nobody answered for so long that the next try may be refused.
                self.run.counted["given up on"] += 1
                return
            self.run.counted[kind] += 1

    def alone(self):
        self.token = self.run.refresh(self.token)

    def two_tabs(self):
        seen, token = [], self.token
        def tab():
            try:
                seen.append(self.run.refresh(token))
            except (SignedOut, Lost) as error:
                seen.append(error)
        tabs = [threading.Thread(target=tab) for _ in range(2)]
        for one in tabs:
            one.start()
        for one in tabs:
            one.join()
        for answer in seen:
            if isinstance(answer, Exception):
                raise answer
        if seen[0] != seen[1]:
            raise SignedOut("two tabs got two tokens")
        self.token = seen[0]

    def lost_answer(self):
        """The request arrives, and nobody is there for the answer."""
        connection = self.run.connect()
        try:
            self.run.send(connection, self.token)
        except OSError:
            pass
        finally:
            connection.close()
        self.token = self.run.refresh(self.token)


class SignedOut(Exception):
    """The session is over."""


class Run:
    """A server that is ended and begun again, and who calls it."""

    def __init__(self, house):
        self.house, self.port = house, house.issuer_port
        self.over, self.counted, self.lock = threading.Event(), Counter(), threading.Lock()

    def note(self, words):
        with self.lock:
            print(words, file=sys.stderr)

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    def send(self, connection, token):
        body = json.dumps({"refresh_token": token})
        connection.request("POST", "/auth/refresh", body, {"Content-Type": "application/json"})

    def refresh(self, token):
        """The next token; the same request again while nobody answers."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            connection = self.connect()
            try:
                self.send(connection, token)
                answer = connection.getresponse()
                status, body = answer.status, answer.read()
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)
                continue
            finally:
                connection.close()
            if status == 200:
                return json.loads(body)["refresh_token"]
            if status not in (429, 503):
                raise SignedOut(f"{status} {body.decode()}")
            time.sleep(0.1)
        raise Lost

    def sign_in(self, user):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                return self.house.session_of(user)["refresh_token"]
            except (OSError, http.client.HTTPException):
                time.sleep(0.1)
        sys.exit("nobody could sign in for a minute")

    def is_over(self, token):
        try:
            self.refresh(token)
        except SignedOut:
            return True
        return False

    def steal(self, kind):
        """Whether the theft ended the session for both. Who of the two has the
        old token does not matter to the server, so one of them is as good."""
        old = self.sign_in(random.choice(self.house.users))
        new = self.refresh(old)
        if kind == "two behind":
            new = self.refresh(new)
        else:
            time.sleep(TOO_LATE)
        return self.is_over(old) and self.is_over(new)

    def steal_often(self, kind, pause):
        while not self.over.is_set():
            try:
                caught = self.steal(kind)
            except Lost:
                continue
            except SignedOut as error:
                self.note(f"an honest refresh before a theft was refused: {error}")
                caught = False
            self.counted["thefts"] += 1
            self.counted["thefts caught"] += caught
            if not caught:
                self.note(f"a theft was not caught: {kind}")
            self.over.wait(pause)

    def restart(self):
        kill = self.counted["restarts"] % 2 == 1
        node = self.house.issuer
        node.process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        node.process.wait()
        self.house.issuer = self.house.issuer_node("issuer", self.port)
        self.counted["restarts"] += 1


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--binary", type=Path, required=True)
    options.add_argument("--seconds", type=float, default=600)
    options.add_argument("--clients", type=int, default=200)
    options.add_argument("--every", type=float, default=8, help="seconds between two restarts")
    options.add_argument("--engine", default="SQLite", choices=["SQLite", "PostgreSQL"])
    options = options.parse_args()
    binary = options.binary.resolve()
    with tempfile.TemporaryDirectory() as place, House(binary, Path(place), options.engine) as house:
        house.open()
        run = Run(house)
        clients = [Client(run, house.users[n % len(house.users)]) for n in range(options.clients)]
        callers = [threading.Thread(target=client.live) for client in clients]
        for kind in ("two behind", "after the overlap"):
            callers.append(threading.Thread(target=run.steal_often, args=(kind, 1)))
        for caller in callers:
            caller.start()
        end = time.monotonic() + options.seconds
        while time.monotonic() + options.every < end:
            time.sleep(options.every)
            run.restart()
        time.sleep(max(0, end - time.monotonic()))
        run.over.set()
        for caller in callers:
            caller.join()
    report(run, options)


def report(run, options):
    counted = run.counted
    print(f"{options.clients} clients for {options.seconds:.0f} s on {options.engine}")
    for what in ("alone", "two tabs", "lost answer", "restarts", "given up on",
                 "honest sign-outs", "thefts", "thefts caught"):
        print(f"  {what:<18}{counted[what]:>8}")
    is_proof = counted["thefts"] and counted["alone"] and counted["two tabs"] and counted["lost answer"]
    is_good = not counted["honest sign-outs"] and counted["thefts"] == counted["thefts caught"]
    sys.exit(0 if is_proof and is_good else 1)


main()
