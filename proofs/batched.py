"""This proof kills a BatchedQueue that saves its state, and sends millions of items through one in bounded memory.

    python3 dev.py proof batched [--kills 40] [--every 0.5] [--items 10000000] [--seed N]

A process adds numbered items for ever; each addition and each completion is written down where a SIGKILL loses nothing.
After each kill the next process brings the state back and goes on. In the end everything is worked off. Only what was
added within the last interval before a kill may be missing, and only what was done within it may have been done again.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from _arena import Verdicts

APP = Path(__file__).with_name("_batched_app.py")
LIVES_S = (0.2, 2.5)
SAVING_S = 0.4
"""Beyond the interval: what writing a snapshot, and the machine's turns, take."""
GROWTH_MB = 4.0
PER_S = 200_000


def main(options: argparse.Namespace) -> int:
    """Both parts, and one table."""
    seed = options.seed if options.seed is not None else random.randrange(2**32)
    print(f"batched: {options.kills} kills, saved every {options.every:g} s, seed {seed}")
    verdicts = Verdicts()
    with tempfile.TemporaryDirectory() as folder:
        kills = kill_often(Path(folder), options, random.Random(seed))
        judge_kills(verdicts, Path(folder), kills, options.every)
    for how in ("many", "one") if options.items else ():
        judge_stream(verdicts, how, options.items)
    return verdicts.exit_code()


def kill_often(folder: Path, options: argparse.Namespace, chance: random.Random) -> list[float]:
    """When each process was killed; what it left was worked off by the last one."""
    kills, first = [], 0
    for _ in range(options.kills):
        process = start("keep", folder, options.every, first)
        wait_until_it_adds(folder / "added", first)
        time.sleep(chance.uniform(*LIVES_S))
        process.kill()
        process.wait()
        kills.append(time.monotonic())
        first = max((item for item, _ in diary(folder / "added")), default=-1) + 1
    finished = start("finish", folder, options.every)
    if finished.wait(timeout=120) != 0:
        raise SystemExit("the state that was left could not be brought back")
    return kills


def wait_until_it_adds(path: Path, first: int) -> None:
    """Until the process has added its first item: a busy machine starts it slowly."""
    give_up_s = time.monotonic() + 60
    while not any(item == first for item, _ in diary(path)[-50:]):
        if time.monotonic() > give_up_s:
            raise SystemExit("a process added nothing for a minute")
        time.sleep(0.01)


def judge_kills(verdicts: Verdicts, folder: Path, kills: list[float], every: float) -> None:
    """Which items are missing, and which were done again."""
    added = dict(diary(folder / "added"))
    done: dict[int, list[float]] = defaultdict(list)
    for item, when in diary(folder / "done"):
        done[item].append(when)
    lost = [before_kill(kills, when) for item, when in added.items() if item not in done]
    again = [before_kill(kills, times[0]) for times in done.values() if len(times) > 1]
    print(f"        {len(added):,} items added; {len(lost):,} lost, {len(again):,} done again")
    verdicts.check("oldest item that was lost, s before the kill", max(lost, default=0.0), every + SAVING_S)
    verdicts.check("earliest that was done again, s before", max(again, default=0.0), every + SAVING_S)
    verdicts.at_least("share of what was added that was done, %", 100 * (1 - len(lost) / len(added)), 50)
    verdicts.equal("done without having been added", len(done.keys() - added.keys() - unwritten(added)), 0)


def unwritten(added: dict[int, float]) -> set[int]:
    """A kill may fall between an addition and its line: the number after each process's last."""
    return {item + 1 for item in added}


def before_kill(kills: list[float], when: float) -> float:
    """From a time to the first kill after it."""
    return min((kill - when for kill in kills if kill >= when), default=float("inf"))


def judge_stream(verdicts: Verdicts, how: str, items: int) -> None:
    """Millions of items through no-op batches of 50."""
    process = start("stream", how, items)
    printed, _ = process.communicate(timeout=600)
    found = json.loads(printed)
    named = "from an iterator" if how == "many" else "one by one"
    verdicts.equal(f"items done, {named}", found["done"], items)
    verdicts.at_least(f"items per second, {named}", round(found["per_s"]), PER_S)
    verdicts.check(f"MB that they made the process grow, {named}", round(found["grew_mb"], 2), GROWTH_MB)


def start(*command: object) -> "subprocess.Popen[str]":
    """A process of the application."""
    return subprocess.Popen([sys.executable, str(APP), *map(str, command)], stdout=subprocess.PIPE, text=True)


def diary(path: Path) -> list[tuple[int, float]]:
    """Whole lines: (item, time)."""
    text = path.read_text() if path.exists() else ""
    lines = [line.split() for line in text.splitlines()]
    return [(int(item), float(when)) for item, when in lines]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--every", type=float, default=0.5)
    parser.add_argument("--items", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int)
    sys.exit(main(parser.parse_args()))
