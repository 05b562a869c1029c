"""This module is `longshore demo`: its options, its throw-away folder, its exit code."""

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from longshore.cli.demo.counting import find_files, recount, standard_library
from longshore.cli.demo.report import Report, compare, show, succeeded
from longshore.cli.demo.run import Demo
from longshore.cli.failures import Failure
from longshore.cli.options import json_option, run
from longshore.cli.progress import Progress
from longshore.cli.tables import print_json
from longshore.core.clock import SystemClock


@click.command()
@click.option(
    "--path",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Count the .py files below DIR instead of Python's own library.",
)
@click.option(
    "--processes", type=click.IntRange(1, 64), default=2, metavar="N", help="Worker processes; 2 by default."
)
@click.option("--keep", is_flag=True, help="Keep the store, to look into it afterwards.")
@click.option("--kill/--no-kill", default=True, help="Whether a worker is killed in the middle; it is.")
@json_option
def demo(path: Path | None, processes: int, *, keep: bool, kill: bool, as_json: bool) -> None:
    """See it work, with a worker killed in the middle.

    Every source file of Python's own library becomes a job. Worker processes count its lines and tokens; one of them
    is killed while it holds jobs. At the end everything is counted again without Longshore, and both must agree.
    """
    folder = (path or standard_library()).resolve()
    paths = find_files(folder)
    if not paths:
        raise Failure(f"There is no .py file below {folder}. Give another folder with --path.")
    home = Path(tempfile.mkdtemp(prefix="longshore-demo-"))
    url = f"sqlite:///{home / 'demo.db'}"
    with kept_if(home, keep=keep):
        with Progress(sys.stderr if as_json else sys.stdout, SystemClock()) as progress:
            progress.say(f"found {len(paths):,} Python files below {folder}")
            report = play(paths, Demo(url, home, processes, progress), progress, kill=kill)
        if as_json:
            print_json(report)
        else:
            show(report, folder=folder)
        if not succeeded(report):
            raise Failure(f"The demo did not come to what it should; its store and log are kept in {home}.")
    if not as_json:
        show_next(url, keep=keep)


@contextmanager
def kept_if(home: Path, *, keep: bool) -> Iterator[None]:
    """Forgets the folder afterwards, unless it is to be kept or something failed: then it is what one looks at."""
    try:
        yield
    except Failure:
        raise
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise
    if not keep:
        shutil.rmtree(home, ignore_errors=True)


def play(paths: Sequence[Path], demo: Demo, progress: Progress, *, kill: bool) -> Report:
    """The whole demo: the work by the workers, then the same alone. Raises Failure."""
    story = run(demo.run(paths, with_kill=kill))
    before = progress.seconds
    plain = recount(paths, lambda done: progress.move("counting again, alone", done, len(paths)))
    seconds = progress.seconds - before
    progress.say(f"counted all again in this process, without Longshore, in {seconds:.1f} s")
    return compare(paths, story, plain, recount_seconds=seconds)


def show_next(url: str, *, keep: bool) -> None:
    """Three commands to try."""
    inside = {
        f"longshore jobs list --url {url}": "",
        f"longshore dlq list --url {url}": "",
        f"longshore queues list --url {url}": "",
    }
    elsewhere = {
        "longshore demo --keep": "the same, and the store stays for you to look into",
        "longshore bench": "how fast this machine is",
        "longshore --help": "everything else",
    }
    click.secho("\n  Next", bold=True)
    for command, why in (inside if keep else elsewhere).items():
        click.echo(f"    {command:<24}{why}".rstrip())
