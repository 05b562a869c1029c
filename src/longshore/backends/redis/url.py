"""This module reads the URL of a Redis store: one server, a Cluster, or a master that Sentinels know.

    redis://user:password@host:6379/0?prefix=ls
    redis+cluster://host1:7000,host2:7001/
    redis+sentinel://host1:26379,host2:26379/mymaster/0

`rediss` (also `rediss+cluster`, `rediss+sentinel`) speaks TLS. `valkey` and `valkeys` mean the same as `redis` and
`rediss`.
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import msgspec

from longshore.backends.escaping import split, unreadable
from longshore.core.errors import InvalidOption, SettingsError, UnknownOption

SCHEMES = {
    f"{name}{tls}{kind}": (bool(tls), kind.removeprefix("+"))
    for name in ("redis", "valkey")
    for tls in ("", "s")
    for kind in ("", "+cluster", "+sentinel")
}
"""Whether a scheme means TLS, and of which kind it is."""
DEFAULT_PORTS = {"": 6379, "cluster": 6379, "sentinel": 26379}
EXAMPLE = "redis://user:password@localhost:6379/0"
_PREFIX = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


class Kind(StrEnum):
    """How many servers there are, and who knows them."""

    SINGLE = ""
    CLUSTER = "cluster"
    SENTINEL = "sentinel"


class Host(msgspec.Struct, frozen=True, order=True):
    """Where a server listens."""

    name: str
    port: int

    def __str__(self) -> str:
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a URL says. The password is in no text that this class makes."""

    kind: Kind
    hosts: tuple[Host, ...]
    """The server; or any of the Cluster; or the Sentinels."""
    is_tls: bool = False
    db: int = 0
    master: str = ""
    """As the Sentinels call it."""
    username: str | None = None
    password: str | None = None
    sentinel_username: str | None = None
    sentinel_password: str | None = None
    prefix: str = "ls"
    """Every key begins with it and a colon."""
    deadline_seconds: float = 10.0
    """A call that has taken longer ends with StoreUnavailable."""
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None

    def __repr__(self) -> str:
        return f"Address({self.url!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """For rich's tracebacks, which would show every field."""
        return [("url", self.url)]

    @property
    def url(self) -> str:
        """The same without passwords and defaults."""
        scheme = ("rediss" if self.is_tls else "redis") + (f"+{self.kind}" if self.kind else "")
        user = f"{quote(self.username, safe='')}@" if self.username else ""
        path = f"{quote(self.master, safe='')}/{self.db}" if self.master else str(self.db)
        query = "" if self.prefix == "ls" else f"?prefix={self.prefix}"
        return f"{scheme}://{user}{','.join(map(str, self.hosts))}/{path}{query}"


OPTIONS = {
    "prefix": "prefix",
    "deadline": "deadline_seconds",
    "sentinel_username": "sentinel_username",
    "sentinel_password": "sentinel_password",
    "ca_file": "ca_file",
    "cert_file": "cert_file",
    "key_file": "key_file",
}
"""What may stand behind the question mark, and the field that it sets."""


def read_url(url: str) -> Address:
    """What a URL says. Raises SettingsError where it names no server, InvalidOption and UnknownOption."""
    parts = split(url, "Redis", EXAMPLE, may_hold_at={"sentinel_password"})
    if parts.scheme not in SCHEMES:
        raise SettingsError(
            f"{parts.scheme}:// is no URL of a Redis store. Known: {', '.join(sorted(SCHEMES))}."
        )
    is_tls, kind = SCHEMES[parts.scheme]
    login, _, places = parts.netloc.rpartition("@")
    username, _, password = login.partition(":")
    master, db = _path(Kind(kind), unquote(parts.path).strip("/"))
    return Address(
        kind=Kind(kind),
        hosts=tuple(_hosts(places, DEFAULT_PORTS[kind])),
        is_tls=is_tls,
        db=db,
        master=master,
        username=unquote(username) or None,
        password=unquote(password) or None,
        **_options(parts.query, parts.scheme),
    )


def _hosts(places: str, default_port: int) -> Iterator[Host]:
    for place in places.split(","):
        try:
            parts = urlsplit(f"//{place}")
            port = parts.port
        except ValueError:  # what stands there may be a piece of a password
            raise unreadable("Redis", EXAMPLE) from None
        if not parts.hostname:
            raise SettingsError(
                "The URL of a Redis store names its server: redis://localhost:6379/0, or several, with commas, for "
                "redis+cluster:// and redis+sentinel://."
            )
        yield Host(parts.hostname, port or default_port)


def _path(kind: Kind, path: str) -> tuple[str, int]:
    """The name of the master and the number of the database."""
    master, db = "", path
    if kind is Kind.SENTINEL:
        master, _, db = path.partition("/")
        if not master:
            raise SettingsError(
                "Say which master the Sentinels shall name: redis+sentinel://host:26379/mymaster/0."
            )
    if db and not db.isdecimal():
        raise SettingsError(
            "What follows the host in the URL is no number of a Redis database. Write …/0, and / in a password as %2F."
        )
    if kind is Kind.CLUSTER and int(db or 0):
        raise SettingsError("A Redis Cluster has database 0 only.")
    return master, int(db or 0)


def _options(query: str, scheme: str) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for option, value in parse_qsl(query, keep_blank_values=True):
        if option not in OPTIONS:
            raise UnknownOption(option, OPTIONS, of=f"{scheme}://")
        fields[OPTIONS[option]] = _number(value) if option == "deadline" else value
    if not _PREFIX.fullmatch(str(fields.get("prefix", "ls"))):
        raise InvalidOption("prefix", fields["prefix"], "letters, digits and _ . -, at most 64")
    return fields


def _number(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0
    if not 0.05 <= seconds <= 600:
        raise InvalidOption("deadline", value, "seconds from 0.05 to 600")
    return seconds
