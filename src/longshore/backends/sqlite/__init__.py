"""This package is the SQLite store: one file, one thread that writes it, and nothing to install but the driver."""

from urllib.parse import parse_qsl, unquote, urlsplit

from longshore.backends.sqlite.store import SqliteStore
from longshore.core.clock import Clock
from longshore.core.errors import SettingsError, UnknownOption

__all__ = ["SqliteStore", "from_url"]


def from_url(url: str, *, synchronous: str | None = None, clock: Clock | None = None) -> SqliteStore:
    """The store of `sqlite:///relative.db`, `sqlite:////absolute.db`, with `?synchronous=normal` where that is wanted.

    Raises SettingsError for a URL without a path, and UnknownOption.
    """
    parts = urlsplit(url)
    path = unquote(parts.path).removeprefix("/")
    if parts.netloc or not path:
        raise SettingsError(
            f"{url!r} names no file. Write sqlite:///jobs.db (three slashes) for a file in this folder, "
            "sqlite:////var/lib/jobs.db (four) for one by its whole path."
        )
    options = dict(parse_qsl(parts.query))
    for option in options:
        if option != "synchronous":
            raise UnknownOption(option, ["synchronous"], of="sqlite://")
    return SqliteStore(path, synchronous=synchronous or options.get("synchronous", "full"), clock=clock)
