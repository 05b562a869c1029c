"""This module reads the settings: what each is, where its value came from, and what is wrong with it.

One precedence: arguments > environment > the nearest `longshore.toml` or `[tool.longshore]` of a `pyproject.toml`,
from the working directory upwards > defaults. `REDIS_URL`, then `DATABASE_URL`, stand in for a URL that nobody gave.
"""

import logging
import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from longshore.core.errors import SettingsError, UnknownOption
from longshore.core.payload import PAYLOAD_LIMIT_BYTES
from longshore.manager.settings_files import nearest_file

log = logging.getLogger("longshore.settings")

DAY_SECONDS = 86_400

NotNegative = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=0)]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting, with its default. Durations are seconds. `LONGSHORE_<NAME>` in the environment sets each."""

    url: Annotated[str, Meta(min_length=1, description="Where the jobs are kept.")] = "sqlite:///longshore.db"
    concurrency: Annotated[
        int, Meta(ge=1, le=100_000, description="Jobs that one worker process runs at once.")
    ] = 10
    lease: Annotated[
        float, Meta(ge=2, le=DAY_SECONDS, description="Seconds that a silent worker keeps its jobs.")
    ] = 30.0
    grace: Annotated[
        float, Meta(ge=0, le=DAY_SECONDS, description="Seconds to finish running jobs after SIGTERM.")
    ] = 25.0
    poll: Annotated[
        float, Meta(ge=0.05, le=3600, description="Seconds between two looks at the store without a wake-up.")
    ] = 5.0
    payload_limit: Annotated[int, Meta(ge=1, description="Bytes that one job's data or result may take.")] = (
        PAYLOAD_LIMIT_BYTES
    )
    retention_completed: Annotated[
        NotNegative | None,
        Meta(description="Seconds that completed jobs are kept; null keeps them for ever."),
    ] = 7.0 * DAY_SECONDS
    retention_failed: Annotated[
        NotNegative | None, Meta(description="Seconds that dead letters are kept; null keeps them for ever.")
    ] = None
    retention_count: Annotated[
        Count | None, Meta(description="Completed jobs that one queue keeps; null sets no limit.")
    ] = None
    prune_every: Annotated[
        float,
        Meta(ge=1, le=DAY_SECONDS, description="Seconds between two sweeps of jobs past their retention."),
    ] = 60.0
    unsafe_store: Annotated[
        bool, Meta(description="Let workers start on a store that may lose jobs by the way it is set up.")
    ] = False
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
        Meta(description="The least severe log line that a worker writes."),
    ] = "INFO"

    def __repr__(self) -> str:
        values = (f"{name}={shown(name, getattr(self, name))!r}" for name in self.__struct_fields__)
        return f"Settings({', '.join(values)})"


ALIASES: Mapping[str, tuple[str, float]] = {
    "QUEUE_CONCURRENCY": ("concurrency", 1),
    "WORKER_CONCURRENCY": ("concurrency", 1),
    "QUEUE_CLEANUP_DAYS": ("retention_completed", DAY_SECONDS),
    "QUEUE_CLEANUP_INTERVAL": ("prune_every", 1),
}
"""Names of the seeds, after `LONGSHORE_`: the setting each stands for, and what its number is multiplied by."""

STAND_INS = ("REDIS_URL", "DATABASE_URL")
"""Variables that hosting platforms set, read for `url` when nothing else gives it."""

_PREFIX = "LONGSHORE_"
_KNOWN = {name.upper(): (name, 1.0) for name in Settings.__struct_fields__}


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """Settings as they were read, with where each value came from and what looks like a mistake."""

    settings: Settings
    origins: dict[str, str]
    """By setting: "argument", the variable's name, the file's path, or "default"."""
    warnings: tuple[str, ...] = ()


def load_settings(overrides: Mapping[str, object] | None = None) -> Settings:
    """The settings for this process; what looks like a mistake is logged as a warning.

    `overrides` are arguments and win over everything. Raises SettingsError, UnknownOption.
    """
    reading = read_settings(overrides or {}, environ=os.environ, folder=Path.cwd())
    for warning in reading.warnings:
        log.warning("%s", warning)
    return reading.settings


def read_settings(overrides: Mapping[str, object], *, environ: Mapping[str, str], folder: Path) -> Reading:
    """The settings from these sources and nothing else, `folder` being where the search for a file begins.

    Raises UnknownOption for an override, and SettingsError for a key of a file, that no setting has; SettingsError
    for a value that its setting cannot have, naming the place.
    """
    if strange := sorted(overrides.keys() - set(Settings.__struct_fields__)):
        raise UnknownOption(strange[0], Settings.__struct_fields__, of="the settings")
    values: dict[str, Any] = {}
    origins = dict.fromkeys(Settings.__struct_fields__, "default")
    found = nearest_file(folder)
    if found is not None:
        _refuse_unknown(found.keys, found.place)
    layers = [
        *([(found.keys, found.place)] if found is not None else []),
        *_environment(environ),
        (overrides, "argument"),
    ]
    for given, place in layers:
        for name, raw in given.items():
            values[name] = _converted(name, raw, place)
            origins[name] = place
    if "url" not in values:
        _stand_in(environ, values, origins)
    return Reading(settings=Settings(**values), origins=origins, warnings=_suspicious(environ))


def describe(name: str) -> str:
    """The one-line help of a setting."""
    return _FIELDS[name].description or ""


def shown(name: str, value: object) -> object:
    """The value as it may be printed: URLs without user, password and secret parameters."""
    return without_secrets(value) if name == "url" and isinstance(value, str) else value


def without_secrets(url: str) -> str:
    """The URL without user-info and without the values of secret parameters.

    All up to the last `@` goes, because a password may hold a `/` or `@` that nobody escaped; a URL that begins with
    three slashes names a file and has no user-info.
    """
    hidden = re.sub(r"^([\w+.-]*):/{0,2}(?!/).*@", r"\1://***@", url)
    return re.sub(r"(?i)([?&][^=&]*(?:pass|secret|token|key)[^=&]*=)[^&#]*", r"\1***", hidden)


def _environment(environ: Mapping[str, str]) -> list[tuple[dict[str, object], str]]:
    """One layer for each variable that sets something, the seeds' names first so that our own win."""
    layers: list[tuple[dict[str, object], str]] = []
    for names in (ALIASES, _KNOWN):
        for name, (setting, factor) in names.items():
            text = environ.get(_PREFIX + name, "")
            if text.strip():  # compose files and .env templates set what they leave open to nothing
                layers.append(({setting: _scaled(text, factor, _PREFIX + name)}, _PREFIX + name))
    return layers


def _scaled(text: str, factor: float, place: str) -> object:
    if factor == 1:
        return text
    try:
        return float(text) * factor
    except ValueError:
        raise SettingsError(f"{place} is {text!r}, which is no number.") from None


def _stand_in(environ: Mapping[str, str], values: dict[str, Any], origins: dict[str, str]) -> None:
    for variable in STAND_INS:
        if environ.get(variable, "").strip():
            values["url"], origins["url"] = environ[variable].strip(), variable
            return


def _refuse_unknown(keys: Mapping[str, object], place: str) -> None:
    for key in keys:
        if key not in Settings.__struct_fields__:
            near = get_close_matches(key, Settings.__struct_fields__, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            known = ", ".join(sorted(Settings.__struct_fields__))
            raise SettingsError(f"{place} has a key '{key}' that is no setting.{hint} Known: {known}.")


def _suspicious(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Variables that look like a setting's name misspelt. Others with our prefix are somebody else's: Kubernetes
    sets several for a service that is called longshore."""
    known = [_PREFIX + name for name in (*_KNOWN, *ALIASES)]
    return tuple(
        f"{variable} in the environment is no setting and is not read. Did you mean {near[0]}?"
        for variable in sorted(environ)
        if variable.startswith(_PREFIX)
        and variable not in known
        and (near := get_close_matches(variable, known, n=1, cutoff=0.9))
    )


def _converted(name: str, raw: object, place: str) -> Any:
    plain = raw.total_seconds() if hasattr(raw, "total_seconds") else raw
    if isinstance(plain, str):
        plain = plain.strip().upper() if name == "log_level" else plain.strip()
    try:
        return msgspec.convert(plain, _FIELDS[name].type, strict=False)
    except msgspec.ValidationError as error:
        value = "" if name == "url" else f" = {raw!r}"
        message = f"Setting '{name}'{value} ({place}): {error}. {describe(name)}"
        raise SettingsError(message) from error


class _Field(msgspec.Struct, frozen=True):
    type: Any
    description: str | None


_FIELDS = {
    field.name: _Field(
        field.type, next((m.description for m in getattr(field.type, "__metadata__", ())), None)
    )
    for field in msgspec.structs.fields(Settings)
}
