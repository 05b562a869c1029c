"""This proof lets ten timekeepers live through two years with a hundred schedules: no tick is missed, and none doubled.

Time is simulated. The timekeepers are killed in the middle of what they do, and their clocks are set by up to an hour;
the reference table comes from an oracle that walks minute by minute and shares no code with Longshore.

python3 dev.py proof schedules [--days 730] [--schedules 100] [--keepers 10] [--seed 1]
"""

import argparse
import asyncio
import sys

from _arena import Verdicts

from tests.unit.cron.observatory import ZONES, Sky, span


async def main(options: argparse.Namespace) -> int:
    """Lives through it, and compares."""
    print(
        f"schedules: {options.schedules} in {len(ZONES)} zones, {options.days} days, {options.keepers} timekeepers"
    )
    sky = Sky(
        *span(2026, 1, 1, options.days),
        schedules=options.schedules,
        keepers=options.keepers,
        seed=options.seed,
    )
    await sky.turn()
    missed, doubled, made_up, expected = sky.verdict()
    print(
        f"{expected:,} ticks, {sky.looks:,} looks, {sky.kills:,} kills, {sky.steps:,} times a clock was set"
    )
    verdicts = Verdicts()
    verdicts.check("ticks missed", len(missed), 0)
    verdicts.check("ticks doubled", len(doubled), 0)
    verdicts.check("ticks that the table does not have", len(made_up), 0)
    return verdicts.exit_code()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=int, default=730)
    parser.add_argument("--schedules", type=int, default=100)
    parser.add_argument("--keepers", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    sys.exit(asyncio.run(main(parser.parse_args())))
