"""This module is the benchmark suite's door: it runs measures on stores and compares them with what they must reach.

Every measure has processes and a store of its own and uses the public API. Rounds go over all measures, so that a
slow minute of the machine meets all of them, and shares compare figures of one round.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import endurance
import report
import speed
from arena import Arena, arena
from grounds import ON_SERVERS, STORES, Ground, servers_for, versions
from sizes import Sizes

from longshore.cli.loops import LOOPS

DEFAULT = ("memory", "sqlite")
SHARED = ("sqlite", *ON_SERVERS)
"""Stores that several processes can reach."""
BARE = "bare"
"""No store: what the machine allows without Longshore, and what Longshore does without a store."""


class Measure(NamedTuple):
    """What is measured, where it makes sense, and whether it is short enough to be repeated."""

    function: Callable[[Arena, Sizes], Awaitable[dict[str, float]]]
    stores: tuple[str, ...] = STORES
    repeated: bool = True

    @property
    def about(self) -> str:
        """In a sentence."""
        return (self.function.__doc__ or "").strip()


MEASURES = {
    "limits": Measure(speed.limits, (BARE,)),
    "batched": Measure(speed.batched, (BARE,)),
    "drain": Measure(speed.drain),
    "drain2": Measure(speed.drain2, SHARED),
    "limited": Measure(speed.limited),
    "workflows": Measure(speed.workflows),
    "trips": Measure(speed.trips, ON_SERVERS),
    "one": Measure(speed.one),
    "concurrent": Measure(speed.concurrent),
    "bulk": Measure(speed.bulk),
    "latency": Measure(speed.latency),
    "io": Measure(speed.io),
    "threads": Measure(speed.threads),
    "size": Measure(endurance.size, ("sqlite",), repeated=False),
    "idle": Measure(endurance.idle, SHARED, repeated=False),
    "memory": Measure(endurance.memory, SHARED, repeated=False),
    "backlog": Measure(endurance.backlog, repeated=False),
    "history": Measure(endurance.history, ("sqlite", "postgres"), repeated=False),
}


def main() -> int:
    """Measures what the command line names."""
    options = parser().parse_args()
    unknown = [name for name in options.measures if name not in MEASURES]
    if unknown:
        print(f"No measure '{unknown[0]}'. Known: {', '.join(MEASURES)}.", file=sys.stderr)
        return 2
    os.environ["BENCH_LOOP"] = options.loop  # for the processes that are started
    sizes = Sizes(backlog=options.backlog, history=options.history, memory=options.memory).scaled(
        options.scale
    )
    stores = options.stores or DEFAULT
    with servers_for(stores, options.urls) as servers:
        rounds = asyncio.run(measure(options, stores, servers, sizes))
        about = report.machine() | asyncio.run(versions(servers))
    found = [line for store in rounds for line in report.lines(store, rounds[store], rounds[BARE])]
    if options.json:
        print(json.dumps({"machine": about, "lines": found, "rounds": rounds}, indent=2))
    else:
        print(report.table(found, about))
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    listed = "\n".join(f"  {name:<12}{each.about}" for name, each in MEASURES.items())
    made = argparse.ArgumentParser(
        prog="bench",
        description="Measures Longshore on this machine.",
        epilog=f"measures:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("measures", nargs="*", default=list(MEASURES), help="all of them if none is named")
    made.add_argument("--store", dest="stores", action="append", choices=STORES, help="may be repeated")
    made.add_argument(
        "--url", dest="urls", action="append", default=[], help="a server's, else a private one is started"
    )
    made.add_argument("--repeat", type=int, default=3, help="rounds; the table shows medians")
    made.add_argument("--json", action="store_true", help="for machines, with every round")
    made.add_argument("--folder", type=Path, help="where stores lie: on the disk that matters")
    made.add_argument("--loop", choices=LOOPS, default="auto", help="auto: uvloop, if it is installed")
    made.add_argument("--scale", type=float, default=1.0, help="times all sizes: 0.1 for a quick look")
    defaults = Sizes()
    for name in ("backlog", "history", "memory"):
        size = getattr(defaults, name)
        made.add_argument(f"--{name}", type=int, default=size, help=f"jobs of that measure ({size:,})")
    return made


async def measure(
    options: argparse.Namespace, stores: Sequence[str], servers: Mapping[str, str], sizes: Sizes
) -> dict[str, list[dict[str, float]]]:
    """The figures of every store, round by round."""
    rounds: dict[str, list[dict[str, float]]] = {store: [] for store in (*stores, BARE)}
    for number in range(options.repeat):
        for store, found in rounds.items():
            figures: dict[str, float] = {}
            for name in _chosen(options.measures, store, first=number == 0):
                figures |= await _measured(name, Ground(store, servers.get(store)), options.folder, sizes)
            found.append(figures)
    return rounds


def _chosen(names: Sequence[str], store: str, *, first: bool) -> list[str]:
    return [name for name in names if store in MEASURES[name].stores and (first or MEASURES[name].repeated)]


async def _measured(name: str, ground: Ground, folder: Path | None, sizes: Sizes) -> dict[str, float]:
    print(f"{ground.store} {name} ...", end=" ", file=sys.stderr, flush=True)
    begin_s = time.monotonic()
    async with arena(ground, folder) as place:
        figures = await MEASURES[name].function(place, sizes)
    shown = ", ".join(
        f"{key} {value:,.4g}" if value < 1000 else f"{key} {value:,.0f}" for key, value in figures.items()
    )
    print(f"{shown} ({time.monotonic() - begin_s:.1f} s)", file=sys.stderr, flush=True)
    return figures


if __name__ == "__main__":
    sys.exit(main())
