"""This proof takes random walks that nobody has taken before beside the oracle, and ends at the first difference.

    python3 dev.py proof walks [--store sqlite] [--walks 1000] [--seed N]

The tests take the same few walks every time, so that they are green or red for the change and not for the draw.
"""

import argparse
import random
import sys
import tempfile
import traceback
from collections import Counter
from itertools import count
from pathlib import Path

from _arena import Verdicts, tell
from _places import STORES, Place, add_store, place
from hypothesis import seed as seeded
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from longshore.backends import open_store
from longshore.store.contract import Store
from longshore.testing.conformance.stateful import BRIEF, Walk, machine
from longshore.testing.conformance.stateful_edges import EdgeWalk


def main(options: argparse.Namespace) -> int:
    """Walks, and says how far."""
    seed = options.seed if options.seed is not None else random.SystemRandom().getrandbits(32)
    print(f"walks: {options.walks} on {options.store}, seed {seed}")
    verdicts = Verdicts()
    with tempfile.TemporaryDirectory() as folder:
        if options.store == "memory":
            walk, found = _walk(options.walks, seed, Place("memory://"), Path(folder))
        else:
            with place(options.store, Path(folder), settings=_hasty(options.store)) as there:
                walk, found = _walk(options.walks, seed, there, Path(folder))
    verbs = Counter(verb for trace in walk.traces for verb, _ in trace)
    tell(", ".join(f"{number} {verb}" for verb, number in verbs.most_common()))
    verdicts.equal("walks that differ from the oracle", found, 0)
    return verdicts.exit_code()


def _walk(walks: int, seed: int, there: Place, folder: Path) -> tuple[type[Walk], int]:
    numbers = count()

    def make_store() -> Store:
        number = next(numbers)
        if there.url.startswith("sqlite"):
            return open_store(f"sqlite:///{folder / f'walk-{number}.db'}")
        if there.server is None:
            return open_store(there.url)
        word = "schema" if there.url.startswith("postgres") else "prefix"
        return open_store(f"{there.url}{'&' if '?' in there.url else '?'}{word}=walk{number}")

    walk = seeded(seed)(machine(make_store, EdgeWalk))
    try:
        run_state_machine_as_test(walk, settings=settings(BRIEF, max_examples=walks, database=None))
    except Exception:  # noqa: BLE001 - whatever was found, with the steps that hypothesis prints
        traceback.print_exc()
        return walk, 1
    return walk, 0


def _hasty(store: str) -> dict[str, str]:
    """What walks are compared by does not depend on how durable the store is."""
    return {"fsync": "off"} if store.startswith("postgres") else {}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Random walks beside the oracle.")
    add_store(parser, stores=("sqlite", "memory", *STORES[1:]))
    parser.add_argument("--walks", type=int, default=1000)
    parser.add_argument("--seed", type=int, help="to take the walks of an earlier run again")
    sys.exit(main(parser.parse_args()))
