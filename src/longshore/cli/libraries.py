"""This module compares the libraries that are installed with those that Longshore asks for."""

import re
from importlib.metadata import PackageNotFoundError, requires, version

_ASKED = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[[^]]*\])?[^;]*?>=\s*(?P<least>[0-9.]+)")


def outdated_libraries() -> tuple[str, ...]:
    """The installed ones that are too old, those of extras among them; one that is not installed is nobody's need."""
    return tuple(line for asked in requires("longshore") or () if (line := outdated(asked)) is not None)


def outdated(asked: str) -> str | None:
    """How an installed library falls short of one requirement such as `redis[hiredis]>=8.1,<9; extra == "redis"`."""
    found = _ASKED.match(asked)
    if found is None:
        return None
    try:
        installed = version(found["name"])
    except PackageNotFoundError:
        return None
    if _numbers(installed) >= _numbers(found["least"]):
        return None
    return f"{found['name']} {installed} (needs {found['least']})"


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text.partition("+")[0])]
