"""This module is `longshore enqueue`: one job from the arguments, or many from JSON lines."""

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import click
import msgspec

from longshore.cli.connection import manager_of
from longshore.cli.failures import Misuse
from longshore.cli.options import run, url_option
from longshore.cli.progress import Progress
from longshore.cli.tables import printable
from longshore.core.clock import SystemClock

CHUNK = 1000


class Line(msgspec.Struct, forbid_unknown_fields=True):
    """A line of a file that says for each job where it goes."""

    queue: str
    name: str
    data: msgspec.Raw = msgspec.Raw(b"null")
    options: dict[str, Any] = {}


@click.command()
@click.argument("queue", required=False)
@click.argument("name", required=False)
@click.argument("data", required=False, metavar="[DATA_JSON]")
@click.option(
    "--file", "-f", "source", type=click.File("rb"), metavar="FILE", help="JSON lines; - for standard input."
)
@click.option("--delay", type=click.FloatRange(0), metavar="SECONDS", help="Run it after so long.")
@click.option("--at", metavar="TIME", help="Run it then: ISO 8601 with a time zone.")
@click.option("--priority", type=click.IntRange(0, 9), metavar="N", help="0 first, 3 normal, 9 last.")
@click.option("--max-attempts", type=click.IntRange(0), metavar="N", help="Attempts; 0 for no limit.")
@click.option("--timeout", type=float, metavar="SECONDS", help="For one attempt.")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="For searching (may be repeated).")
@click.option("--metadata", metavar="JSON", help="An object of your own.")
@click.option("--reference", metavar="TYPE/ID", help="The thing of yours that it belongs to.")
@click.option("--correlation", "correlation_id", metavar="ID", help="What it is part of.")
@click.option(
    "--id", "job_id", metavar="UUID", help="The job's id; one that is there already is not added again."
)
@url_option
def enqueue(
    queue: str | None,
    name: str | None,
    data: str | None,
    source: IO[bytes] | None,
    url: str | None,
    **options: Any,
) -> None:
    """Add a job, or many from a file.

    \b
    longshore enqueue emails send-welcome '{"to": "a@example.com"}' --delay 60
    longshore enqueue emails send-welcome --file data.jsonl     each line is the data of one job
    longshore enqueue --file jobs.jsonl                         each line {"queue":, "name":, "data":, "options":}
    """  # noqa: D301 - click wants the character
    words = job_words(options)
    if source is not None:
        if data is not None:
            raise Misuse("Give the data or --file, not both.")
        lines = read_lines(source, queue, name, words)
        run(_add_all(url, lines))
        return
    if queue is None or name is None:
        raise Misuse("Say QUEUE NAME [DATA_JSON], or give --file.")
    click.echo(run(_add_one(url, queue, name, parsed("DATA_JSON", data or "null"), words)))


def job_words(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options as the manager calls them. Raises Misuse for what cannot be read."""
    words = {name: value for name, value in options.items() if value not in (None, ())}
    if "at" in words:
        words["at"] = _time(words["at"])
    if "metadata" in words:
        words["metadata"] = parsed("--metadata", words["metadata"])
        if not isinstance(words["metadata"], dict):
            raise Misuse('--metadata is an object, such as \'{"tenant": "acme"}\'.')
    if "reference" in words:
        kind, slash, reference = words["reference"].partition("/")
        if not slash:
            raise Misuse("--reference is TYPE/ID, such as User/7.")
        words["reference"] = (kind, reference)
    return words


def parsed(what: str, text: str | bytes) -> Any:
    """The JSON value. Raises Misuse with a hint, because shells eat quotes."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        shown = printable(text if isinstance(text, str) else text.decode(errors="replace"))
        raise Misuse(
            f"{what} is no JSON: {error}. It is: {shown[:80]} (a text needs its own quotes: '\"hello\"')"
        ) from error


def read_lines(
    source: IO[bytes], queue: str | None, name: str | None, words: dict[str, Any]
) -> dict[str, list[dict[str, Any]]]:
    """Every line as a job for `add_bulk`, by queue. All are read before any is added, so that a bad line adds
    nothing. Raises Misuse with the line's number."""
    if (queue is None) != (name is None):
        raise Misuse("Give both QUEUE and NAME, or neither and let each line say them.")
    named = str(getattr(source, "name", "<stdin>"))
    place = "standard input" if named == "<stdin>" else Path(named).name
    jobs: dict[str, list[dict[str, Any]]] = {}
    for number, text in enumerate(source, 1):
        if not text.strip():
            continue
        where = f"line {number} of {place}"
        if queue is not None and name is not None:
            jobs.setdefault(queue, []).append({"name": name, "data": parsed(where, text), "options": words})
        else:
            line = _line(where, text)
            job = {
                "name": line.name,
                "data": msgspec.json.decode(line.data),
                "options": {**words, **line.options},
            }
            jobs.setdefault(line.queue, []).append(job)
    return jobs


def _line(where: str, text: bytes) -> Line:
    try:
        return msgspec.json.decode(text, type=Line)
    except msgspec.DecodeError as error:
        expected = '{"queue": …, "name": …, "data": …, "options": {…}}'
        raise Misuse(f"{where}: {error}. Without QUEUE NAME each line is {expected}.") from error


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise Misuse(f"--at {text!r} is no time: {error}.") from error
    if found.tzinfo is None:
        raise Misuse(f"--at {text!r} has no time zone: add Z for UTC, or +02:00.")
    return found


async def _add_one(url: str | None, queue: str, name: str, data: object, words: dict[str, Any]) -> str:
    async with manager_of(url) as manager:
        return (await manager.add_job(queue, name, data, **words)).id


async def _add_all(url: str | None, lines: Mapping[str, Sequence[dict[str, Any]]]) -> None:
    total, added, clock = sum(map(len, lines.values())), 0, SystemClock()
    with Progress(sys.stderr, clock) as progress:
        async with manager_of(url) as manager:
            for queue, jobs in lines.items():
                for start in range(0, len(jobs), CHUNK):
                    added += len(await manager.add_bulk(queue, jobs[start : start + CHUNK]))
                    progress.move("added", added, total)
        seconds = progress.seconds
    click.echo(f"{added:,} jobs added in {seconds:.1f} s ({added / max(seconds, 0.001):,.0f} a second)")
