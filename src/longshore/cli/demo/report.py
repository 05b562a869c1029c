"""This module compares what the workers counted with a plain recount, and prints both side by side."""

from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from longshore.cli.demo.counting import FileCount, Recount, Totals, total
from longshore.cli.demo.observing import path_of
from longshore.cli.demo.run import Story
from longshore.core.ids import format_id
from longshore.core.payload import decoder
from longshore.core.states import State


class KillReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the kill did."""

    pid: int
    at_seconds: float
    jobs_held: list[str]
    back_after_seconds: float | None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome, as `--json` prints it."""

    done: int
    lost: int
    """Files of which no job came to an end."""
    run_twice: int
    """Jobs that were given out again because the worker that held them had died; not all had begun to run."""
    retried: int
    """Jobs whose task raised at least once."""
    dead: int
    seconds: float
    jobs_per_second: float
    workers: Totals
    recount: Totals
    recount_seconds: float
    agree: bool
    """Whether both came to the same totals and to the same unreadable files."""
    dead_letters: dict[str, str]
    """By path: the error."""
    kill: KillReport | None


def compare(paths: Sequence[Path], story: Story, plain: Recount, *, recount_seconds: float) -> Report:
    """What the jobs came to beside what the recount came to."""
    read = decoder(FileCount)
    done = {
        path_of(job): read.decode(job.result or b"") for job in story.jobs if job.state is State.COMPLETED
    }
    dead = {path_of(job): job.error_text or "" for job in story.jobs if job.state is State.FAILED}
    return Report(
        done=len(done),
        lost=len({str(path) for path in paths} - done.keys() - dead.keys()),
        run_twice=sum(job.crashes > 0 for job in story.jobs),
        retried=sum(job.failures > 0 for job in story.jobs),
        dead=len(dead),
        seconds=story.seconds,
        jobs_per_second=len(story.jobs) / story.seconds,
        workers=total(done),
        recount=total(plain.counts),
        recount_seconds=recount_seconds,
        agree=done == plain.counts and dead.keys() == plain.unreadable.keys(),
        dead_letters=dead,
        kill=_kill_report(story),
    )


def succeeded(report: Report) -> bool:
    """Whether the demo shows what it promises."""
    return report.agree and report.lost == 0


def show(report: Report, *, folder: Path) -> None:
    """The report for people."""
    click.echo()
    _show_totals(report)
    click.echo()
    _show_numbers(report)
    for path, error in sorted(report.dead_letters.items())[:5]:
        shown = Path(path).relative_to(folder) if Path(path).is_relative_to(folder) else path
        click.echo(f"    dead letter: {shown}: {error}")
    click.echo()
    verdict = (
        "Both agree and nothing is lost." if succeeded(report) else "They do NOT agree, or jobs are lost."
    )
    click.secho(f"  {verdict}", fg="green" if succeeded(report) else "red", bold=True)


def _show_totals(report: Report) -> None:
    click.secho(f"  {'':<10}{'by the workers':>20}{'counted again here':>22}", bold=True)
    for name in Totals.__struct_fields__:
        ours, theirs = getattr(report.workers, name), getattr(report.recount, name)
        shown = [f"{value:,}" if isinstance(value, int) else f"{value[:16]}…" for value in (ours, theirs)]
        mark = click.style("  same", fg="green") if ours == theirs else click.style("  DIFFERENT", fg="red")
        click.echo(f"  {name.removeprefix('size_'):<10}{shown[0]:>20}{shown[1]:>22}{mark}")


def _show_numbers(report: Report) -> None:
    facts = [
        (
            "jobs done",
            f"{report.done:,}",
            f"in {report.seconds:.1f} s: {report.jobs_per_second:,.0f} a second",
        ),
        ("lost", f"{report.lost:,}", ""),
        ("run twice", f"{report.run_twice:,}", _why_twice(report)),
        ("retried", f"{report.retried:,}", "their task raised, and they were tried again"),
        ("dead", f"{report.dead:,}", "kept with their errors, for you to look at"),
    ]
    for name, value, note in facts:
        colour = "red" if name == "lost" and report.lost else None
        click.secho(f"  {name:<10}{value:>8}  {note}".rstrip(), fg=colour)


def _why_twice(report: Report) -> str:
    if report.kill is None:
        return "no worker was killed"
    return f"at most: so many worker {report.kill.pid} held when it was killed, begun or not"


def _kill_report(story: Story) -> KillReport | None:
    if story.kill is None:
        return None
    return KillReport(
        pid=story.kill.pid,
        at_seconds=story.kill.at_seconds,
        jobs_held=[format_id(job) for job in story.kill.held],
        back_after_seconds=story.kill.back_after_seconds,
    )
