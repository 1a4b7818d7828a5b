#!/usr/bin/env python3
"""What the issuer does in a second, over real HTTP, with what it must.

The binary as `serve issuer`, on SQLite and on a PostgreSQL server of its own
that syncs what it commits; `wrk` on keep-alive connections in a process of its
own. Issuer, database and load share the machine's cores, and each figure is the
median of rounds. Prints a table with the bars; `--svg` draws it and `--data`
keeps every round as JSON.
"""

import argparse
import json
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import load
import plot
from house import House

# MiB: what a hash works in, how many run at a time, and what connections and
# queues may take besides.
HASHING, SLACK = 19 * 1, 16

# The flood, as a multiple of what can be hashed.
FLOOD = 10


@dataclass
class Figure:
    """A figure beside its bar; `best` says which side of it is wanted."""

    name: str
    engine: str
    value: float
    bar: float
    unit: str
    best: str = "more"
    note: str = ""

    @property
    def is_met(self):
        if self.best == "near":
            return abs(self.value - self.bar) <= 0.1 * self.bar
        return self.value >= self.bar if self.best == "more" else self.value <= self.bar

    @property
    def share(self):
        """How many times the bar is reached; 1 and more is good."""
        return self.bar / self.value if self.best == "less" else self.value / self.bar


def main():
    options = arguments()
    figures, rounds = [], {}
    for engine in options.engines.split(","):
        with tempfile.TemporaryDirectory(dir=options.place) as place:
            rounds[engine] = on(engine, Path(place), options)
        figures += judged(engine, rounds[engine])
    text = table(figures, rounds, options)
    print(text, end="")
    if options.data:
        kept = {"machine": machine(), "rounds": rounds}
        options.data.write_text(json.dumps(kept, indent=1) + "\n")
    if options.svg:
        options.svg.write_text(plot.svg(figures))


def on(engine, place, options):
    """Every measurement on one engine."""
    say = lambda what: print(f"{engine}: {what} ...", file=sys.stderr)
    say("users and a client")
    seconds, rounds = options.seconds, range(options.rounds)
    with House(options.binary, place, engine) as house:
        house.open()
        seen = {"sync_ms": load.sync_cost(place), "idle_mib": house.issuer.memory("VmRSS")}
        say("refreshes")
        seen["refresh"] = [load.refresh(house, 64, seconds).end() for _ in rounds]
        say("client_credentials")
        seen["credentials"] = [load.credentials(house, 64, seconds).end() for _ in rounds]
        say("sign-ins, and Argon2 alone in between")
        seen["sign_in"] = []
        for _ in rounds:
            before = load.floor(options.floor, seconds)
            done = load.sign_in(house, 4, seconds).end()
            floor = (before + load.floor(options.floor, seconds)) / 2
            seen["sign_in"].append(done | {"floor": floor})
        say("refreshes beside a flood of sign-ins")
        floor = statistics.median(round["floor"] for round in seen["sign_in"])
        seen |= flood(house, floor, options)
        say("sign-outs, until a gateway refuses")
        seen["revocation_ms"] = load.revocations(house, options.revocations)
        return seen


def flood(house, floor, options):
    """Refreshes at some hundreds a second, alone and then beside ten times the
    sign-ins that can be hashed. With right passwords: wrong ones are refused
    unhashed after the first hundred."""
    seconds = 2 * options.seconds
    alone = load.refresh(house, 16, seconds, pause=40).end()
    base = house.issuer.memory("VmRSS")
    house.issuer.forget_peak()
    refreshing = load.refresh(house, 16, seconds, pause=40)
    # Some thirty of these connections wait in the queue for a hash.
    pause = 1000 * (160 - 32) / (1.2 * FLOOD * floor)
    flooding = load.sign_in(house, 160, seconds, pause, refused=True)
    beside, flooded = refreshing.end(), flooding.end()
    return {
        "alone": alone,
        "beside": beside,
        "flood": flooded | {"times": flooded["offered"] / floor},
        "memory_mib": {"base": base, "peak": house.issuer.memory("VmHWM")},
    }


def judged(engine, seen):
    middle = lambda kind, figure: statistics.median(round[figure] for round in seen[kind])
    took = lambda percent: seen["revocation_ms"][(len(seen["revocation_ms"]) - 1) * percent // 100]
    memory, flood = seen["memory_mib"], seen["flood"]
    where = {"SQLite": "to a gateway", "PostgreSQL": "over another node"}[engine]
    of_floor = statistics.median(round["rate"] / round["floor"] for round in seen["sign_in"])
    detail = lambda kind: f"{middle(kind, 'cpu_us'):.0f} µs CPU, p99 {middle(kind, 'p99_ms'):.1f} ms"
    return [
        Figure("refresh, durable", engine, middle("refresh", "rate"), 5_000, "/s",
               note=f"{detail('refresh')}; a sync takes {seen['sync_ms']:.2f} ms"),
        Figure("client_credentials", engine, middle("credentials", "rate"), 10_000, "/s",
               note=detail("credentials")),
        Figure("sign-in, of Argon2 alone", engine, of_floor, 1.0, "×", "near",
               note=f"{middle('sign_in', 'rate'):.1f}/s of {middle('sign_in', 'floor'):.1f}/s"),
        Figure("refresh p99 in a sign-in flood", engine, seen["beside"]["p99_ms"], 20, "ms", "less",
               note=f"flood {flood['times']:.1f} × the floor; alone {seen['alone']['p99_ms']:.1f} ms, "
                    f"{seen['beside']['rate']:.0f} refreshes/s"),
        Figure("memory in the flood", engine, memory["peak"], memory["base"] + HASHING + SLACK,
               "MiB", "less",
               note=f"base {memory['base']:.1f}, idle at the start {seen['idle_mib']:.1f}"),
        Figure(f"revocation p99, {where}", engine, took(99),
               250 if engine == "SQLite" else 1_000, "ms", "less",
               note=f"p50 {took(50):.1f} ms of {len(seen['revocation_ms'])}"),
    ]


def table(figures, rounds, options):
    show = lambda value: f"{value:,.0f}" if value >= 100 else f"{value:.2f}" if value < 10 else f"{value:.1f}"
    signs = {"more": "≥ ", "less": "≤ ", "near": "± 10 % of "}
    lines = [
        f"Measured on {machine()}; {options.rounds} rounds of {options.seconds} s.",
        "",
        "| | database | bar | measured | | |",
        "| --- | --- | ---: | ---: | --- | --- |",
    ]
    for figure in figures:
        lines.append(
            f"| {figure.name} | {figure.engine} | {signs[figure.best]}{show(figure.bar)} {figure.unit} "
            f"| {show(figure.value)} {figure.unit} | {'reached' if figure.is_met else '**missed**'} "
            f"| {figure.note} |"
        )
    return "\n".join(lines) + "\n"


def machine():
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    cores = subprocess.check_output(["nproc"], text=True).strip()
    waiting = Path("/proc/loadavg").read_text().split()[0]
    name = model[1] if model else platform.machine()
    return f"{time.strftime('%Y-%m-%d', time.gmtime())}, {cores} cores ({name}), load {waiting} at the end"


def arguments():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--binary", type=Path, required=True, help="doorward, optimised")
    options.add_argument("--floor", type=Path, required=True, help="the example argon2_floor")
    options.add_argument("--engines", default="SQLite,PostgreSQL")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=int, default=4)
    options.add_argument("--revocations", type=int, default=200)
    options.add_argument("--place", help="the folder for databases; a disk, for figures that count")
    options.add_argument("--svg", type=Path)
    options.add_argument("--data", type=Path)
    options = options.parse_args()
    options.binary, options.floor = options.binary.resolve(), options.floor.resolve()
    return options


main()
