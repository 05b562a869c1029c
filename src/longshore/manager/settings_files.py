"""This module finds the file that holds the settings: `longshore.toml`, or `[tool.longshore]` of a `pyproject.toml`."""

import tomllib
from pathlib import Path
from typing import Any

import msgspec

from longshore.core.errors import SettingsError


class SettingsFile(msgspec.Struct, frozen=True):
    """What one file says."""

    place: str
    """The path, with the table inside it where there is one: for messages and for provenance."""
    keys: dict[str, Any]


def nearest_file(folder: Path) -> SettingsFile | None:
    """The first file found from the folder upwards; in one folder `longshore.toml` goes before `pyproject.toml`.

    Raises SettingsError for a file that cannot be read.
    """
    for place in (folder, *folder.parents):
        own = _read(place / "longshore.toml")
        if own is not None:
            return SettingsFile(str(place / "longshore.toml"), own)
        project = _read(place / "pyproject.toml")
        tool = project.get("tool", {}).get("longshore") if project else None
        if isinstance(tool, dict):
            return SettingsFile(f"{place / 'pyproject.toml'} [tool.longshore]", tool)
    return None


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from error
