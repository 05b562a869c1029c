"""This module is `longshore worker`: it runs the jobs of an application in one process or in several."""

import os
from collections.abc import Mapping

import click
import msgspec

from longshore.cli.failures import Misuse
from longshore.cli.logs import set_up_logging
from longshore.cli.loops import LOOPS, run_on
from longshore.cli.memory import bound_arenas
from longshore.cli.options import given
from longshore.cli.serving import serve, supervise
from longshore.manager.settings import load_settings


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks of the workers."""

    target: str
    queues: dict[str, int | None] | None
    concurrency: int | None
    processes: int
    loop: str
    burst: bool
    reload: bool
    log_json: bool


@click.command()
@click.argument("target", metavar="MODULE:MANAGER")
@click.option("--queues", "-q", metavar="A:10,B", help="Only these; after the colon how many jobs at once.")
@click.option(
    "--processes",
    "-p",
    type=click.IntRange(1, 1024),
    default=1,
    metavar="N",
    help="Worker processes; 1 by default.",
)
@click.option(
    "--concurrency", "-c", type=click.IntRange(1), metavar="N", help="Jobs that one process runs at once."
)
@click.option(
    "--loop",
    type=click.Choice(LOOPS),
    default="auto",
    help="The event loop; auto: uvloop where it is installed.",
)
@click.option("--burst", is_flag=True, help="Stop when nothing is left to do.")
@click.option("--reload", is_flag=True, help="Start again when a .py file changes.")
@click.option("--lease", type=float, metavar="SECONDS", help="How long a silent worker keeps its jobs.")
@click.option("--grace", type=float, metavar="SECONDS", help="Time to finish running jobs after SIGTERM.")
@click.option("--log-level", metavar="LEVEL", help="DEBUG, INFO, WARNING or ERROR.")
@click.option("--log-json", is_flag=True, help="Write the log as JSON lines.")
@click.option(
    "--url", metavar="URL", help="Where the jobs are, for an application that does not say it itself."
)
def worker(
    *,
    queues: str | None,
    lease: float | None,
    grace: float | None,
    log_level: str | None,
    url: str | None,
    **told: object,
) -> int:
    """Run jobs with the tasks of MODULE:MANAGER.

    The working directory is on the import path. SIGTERM or Ctrl-C once: finish what runs, hand the rest back, stop.
    Twice: stop at once.
    """
    wish = msgspec.convert({**told, "queues": parse_queues(queues)}, Wish)
    overrides = given(url=url, lease=lease, grace=grace, log_level=log_level, concurrency=wish.concurrency)
    settings = load_settings(overrides)
    hand_down(overrides)
    set_up_logging(settings.log_level, as_json=wish.log_json)
    if wish.processes > 1 or wish.reload:
        return supervise(
            wish.target,
            child_arguments(wish),
            queues=wish.queues,
            processes=wish.processes,
            settings=settings,
            reload=wish.reload,
        )
    bound_arenas()
    return run_on(wish.loop, serve(wish.target, wish.queues, concurrency=wish.concurrency, burst=wish.burst))


def parse_queues(text: str | None) -> dict[str, int | None] | None:
    """`a:10,b` as {"a": 10, "b": None}; None for none given. Raises Misuse."""
    if text is None:
        return None
    queues: dict[str, int | None] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, colon, slots = part.rpartition(":")
        is_number = bool(colon) and slots.isdecimal()  # a queue's name may hold a colon itself
        if is_number and int(slots) == 0:
            raise Misuse(f"--queues {part}: with no slots it would never run; leave it out.")
        queues[name if is_number else part] = int(slots) if is_number else None
    if not queues:
        raise Misuse("--queues names no queue. Give it as a:10,b, or leave it out for all.")
    return queues


def child_arguments(wish: Wish) -> list[str]:
    """The arguments for each process of several; what is a setting reaches it through the environment."""
    arguments = [wish.target]
    if wish.queues is not None:
        arguments += [
            "--queues",
            ",".join(name if n is None else f"{name}:{n}" for name, n in wish.queues.items()),
        ]
    if wish.concurrency is not None:
        arguments += ["--concurrency", str(wish.concurrency)]
    arguments += ["--loop", wish.loop]
    return arguments + ["--burst"] * wish.burst + ["--log-json"] * wish.log_json


def hand_down(overrides: Mapping[str, object]) -> None:
    """Sets the variables of these settings: the application makes its own manager when it is imported, and processes
    below this one read them too."""
    for name, value in overrides.items():
        os.environ[f"LONGSHORE_{name.upper()}"] = str(value)
