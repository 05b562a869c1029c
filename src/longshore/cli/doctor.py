"""This module is `longshore doctor`: what about the store, the settings and the machine may go wrong."""

import os
import platform
import resource
import sys
from importlib.metadata import version
from pathlib import Path

import click
import msgspec

from longshore.cli.checks import Machine, examine_machine, examine_settings
from longshore.cli.failures import FAILED
from longshore.cli.libraries import outdated_libraries
from longshore.cli.loops import describe_loop
from longshore.cli.options import closed_store, given, json_option, run, url_option
from longshore.cli.tables import print_facts, print_json
from longshore.core.clock import SystemClock
from longshore.core.errors import StoreError
from longshore.manager.settings import Reading, Settings, read_settings
from longshore.store.contract import Store
from longshore.store.replies import Finding

WIDTH = 100
COLOURS = {"error": "red", "warning": "yellow"}


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """What the doctor prints."""

    longshore: str
    python: str
    loop: str
    """What `longshore worker` runs on here."""
    system: str
    store: str
    schema: str
    findings: list[Finding]


@click.command()
@url_option
@json_option
def doctor(url: str | None, *, as_json: bool) -> int:
    """Find what may lose jobs or time.

    It changes nothing. Exit code 1 when there is an error, that is: when jobs may be lost.
    """
    reading = read_settings(given(url=url), environ=os.environ, folder=Path.cwd())
    machine = find_machine(reading)
    place, schema, of_store = run(_examine_store(reading.settings))
    found = Diagnosis(
        longshore=version("longshore"),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        loop=describe_loop(),
        system=f"{platform.system()} {platform.release()}, {os.cpu_count()} CPUs",
        store=place,
        schema=schema,
        findings=[*of_store, *examine_settings(reading, machine), *examine_machine(machine)],
    )
    if as_json:
        print_json(found)
    else:
        show(found)
    return FAILED if any(finding.level == "error" for finding in found.findings) else 0


def show(found: Diagnosis) -> None:
    """The diagnosis for people: errors first, each with its remedy below."""
    facts = msgspec.structs.asdict(found)
    findings = sorted(facts.pop("findings"), key=lambda finding: finding.level)
    print_facts(facts)
    click.echo()
    for finding in findings:
        level = click.style(finding.level, fg=COLOURS.get(finding.level), bold=True)
        click.echo(f"{level} [{finding.code}]")
        click.echo(click.wrap_text(finding.problem, WIDTH, "  ", "  "))
        click.echo(click.wrap_text(finding.remedy, WIDTH, "  → ", "    ") + "\n")
    errors = sum(finding.level == "error" for finding in findings)
    click.echo(
        f"{counted(errors, 'error')}, {counted(len(findings) - errors, 'warning')}."
        if findings
        else click.style("Nothing to complain about.", fg="green")
    )


def counted(number: int, noun: str) -> str:
    """`1 error`, `2 errors`, `no errors`."""
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


def find_machine(reading: Reading) -> Machine:
    """The facts about this machine and process that the checks want."""
    return Machine(
        is_root=os.geteuid() == 0,
        first_process=_first_process(Path("/proc/1/comm")),
        open_files_limit=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        environ=dict(os.environ),
        now_ms=SystemClock().now_ms(),
        prerelease=None if sys.version_info.releaselevel == "final" else platform.python_version(),
        outdated=outdated_libraries(),
        readable_by_all=frozenset(
            origin for origin in set(reading.origins.values()) if _readable_by_all(origin)
        ),
    )


def _first_process(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip() or None
    except OSError:  # no /proc here
        return None


def _readable_by_all(origin: str) -> bool:
    path = Path(origin.removesuffix(" [tool.longshore]"))
    return path.is_absolute() and path.is_file() and bool(path.stat().st_mode & 0o004)


async def _examine_store(settings: Settings) -> tuple[str, str, list[Finding]]:
    async with closed_store(settings) as store:
        try:
            migration = await store.migrate(apply=False)
            if migration.version == 0:
                return store.url, "none yet; made when it is first opened", []
            schema = f"{migration.version} of {migration.latest}"
            pending = [_pending(migration.pending)] if migration.pending else []
            return store.url, schema, pending or await _examine_open(store)
        except StoreError as error:
            return store.url, "unknown", [_unusable(error)]


async def _examine_open(store: Store) -> list[Finding]:
    await store.open()
    return await store.examine()


def _pending(steps: tuple[str, ...]) -> Finding:
    return Finding(
        "error",
        "schema",
        f"The store's schema is old: {', '.join(steps)} is to be done, and no worker starts before.",
        "Run: longshore migrate",
    )


def _unusable(error: StoreError) -> Finding:
    return Finding(
        "error", error.code, str(error), "See that the store runs, is reachable and may be written to."
    )
