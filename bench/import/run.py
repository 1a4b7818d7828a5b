#!/usr/bin/env python3
"""How long `doorward import` takes: a file of users with bcrypt hashes and a role
each, in shuffled order, into an empty database of a demo.

    bench/import/run.py [--users 1000000] [--binary target/release/doorward]
                        [--database postgres://…]

The hashes are of nobody's password: random bytes in bcrypt's form. An import
computes none.
"""

import argparse
import os
import pathlib
import random
import subprocess
import tempfile
import time

ALPHABET = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
ANY = bytes(ALPHABET[byte % 64] for byte in range(256))
# The last characters of salt and result hold two and four bits.
LAST_OF_SALT = bytes(ALPHABET[byte % 4 * 16] for byte in range(256))
LAST_OF_RESULT = bytes(ALPHABET[byte % 16 * 4] for byte in range(256))


def bcrypt_shaped():
    salt = os.urandom(21).translate(ANY) + os.urandom(1).translate(LAST_OF_SALT)
    result = os.urandom(30).translate(ANY) + os.urandom(1).translate(LAST_OF_RESULT)
    return "$2b$12$" + (salt + result).decode()


def write_users(path, count):
    numbers = list(range(count))
    random.Random(1).shuffle(numbers)
    with open(path, "w", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        for number in numbers:
            file.write(
                f'{{"username":"user{number:08}@example.org","tenant":"acme","roles":["reader"],'
                f'"created_at_ms":{1_600_000_000_000 + number},'
                f'"password_hash":"{bcrypt_shaped()}"}}\n'
            )


def make_folder(binary, folder, database):
    """A data folder that a demo was served from once."""
    more = ["--database", database] if database else []
    ports = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]
    command = [binary, "--data", folder, "up", "--demo", *ports, *more]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (pathlib.Path(folder) / "last-up.json").exists():
        if server.poll() is not None or time.monotonic() > deadline:
            server.kill()
            raise SystemExit(f"{' '.join(command)} did not start")
        time.sleep(0.05)
    server.terminate()
    server.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--binary", default="target/release/doorward")
    parser.add_argument("--database")
    options = parser.parse_args()
    binary = os.path.abspath(options.binary)
    with tempfile.TemporaryDirectory() as place:
        users, folder = f"{place}/users.jsonl", f"{place}/data"
        write_users(users, options.users)
        make_folder(binary, folder, options.database)
        size = os.path.getsize(users) / 2**20
        print(f"{options.users} users, {size:.0f} MiB")
        for words, more in [("dry run", ["--dry-run"]), ("import", []), ("again", [])]:
            command = ["/usr/bin/time", "-f", "%e s, %U s user, %S s system, %M KiB at most"]
            command += [binary, "--data", folder, "import", users, *more]
            done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
            lines = done.stderr.strip().splitlines()
            if done.returncode != 0:
                raise SystemExit(done.stderr)
            print(f"{words}: {lines[-1]}  ({lines[-3]})")


if __name__ == "__main__":
    main()
