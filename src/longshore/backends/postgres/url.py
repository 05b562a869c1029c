"""This module reads a PostgreSQL URL: which words are the driver's, which are Longshore's, and which are neither."""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import msgspec

from longshore.backends.escaping import split, unreadable
from longshore.backends.postgres.naming import Names
from longshore.core.errors import InvalidOption, UnknownOption

OF_THE_DRIVER = frozenset(
    {
        "application_name",
        "database",
        "dbname",
        "gsslib",
        "host",
        "krbsrvname",
        "options",
        "passfile",
        "password",
        "port",
        "service",
        "ssl_max_protocol_version",
        "ssl_min_protocol_version",
        "sslcert",
        "sslcrl",
        "sslkey",
        "sslmode",
        "sslnegotiation",
        "sslpassword",
        "sslrootcert",
        "target_session_attrs",
        "user",
    }
)
"""The words of libpq that asyncpg understands. It would send any other to the server as one of its settings."""
OURS = frozenset({"connect_timeout", "deadline", "notify", "pool", "prefix", "prepared", "schema"})
SECRETS = frozenset({"password", "sslpassword"})
EXAMPLE = "postgresql://user@host:5432/database?option=value"
LARGEST_PORT = 65_535
LARGEST_POOL = 4
LONGEST_DEADLINE_SECONDS = 300.0


class Dsn(msgspec.Struct, frozen=True, kw_only=True):
    """A PostgreSQL database, and how to use it."""

    driver_url: str
    """For asyncpg, with secrets."""
    public: str
    """For people, without them."""
    hosts: tuple[tuple[str, int | None], ...]
    """Those that the URL names, in its order; none where the environment or a service file says it."""
    notify: str | None
    """Where to listen, when that is another way than `driver_url`: past a pooler. With secrets."""
    names: Names
    pool: int
    """Connections for verbs, opened when they are first needed."""
    deadline_seconds: float
    """The longest that a call takes before it ends with an error."""
    connect_seconds: float
    """The longest that it takes to connect to one host."""
    prepared: bool | None
    """Whether the way there keeps prepared statements; None: unless a pooler is found on it."""
    application_name: str | None


def parse(url: str, *, schema: str | None = None, prefix: str | None = None) -> Dsn:
    """What the URL says; `schema` and `prefix` win over what it says of them.

    Raises SettingsError for a URL that cannot be read, UnknownOption, and InvalidOption. None of them shows secrets.
    """
    parts = split(url, "PostgreSQL", EXAMPLE, may_hold_at={*SECRETS, "notify"})
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    try:
        hosts = _hosts(parts.netloc.rpartition("@")[2] or query.get("host", ""), query.get("port", ""))
    except ValueError:
        raise unreadable("PostgreSQL", EXAMPLE) from None
    if query.get("notify"):
        split(query["notify"], "PostgreSQL", EXAMPLE, may_hold_at=SECRETS)
    for option in query:
        if option not in OURS | OF_THE_DRIVER:
            raise UnknownOption(option, OURS | OF_THE_DRIVER, of="postgresql://")
    theirs = {word: value for word, value in query.items() if word in OF_THE_DRIVER}
    if len(hosts) > 1:
        theirs.setdefault("target_session_attrs", "read-write")
    deadline_seconds = _seconds(query, "deadline", 10.0)
    return Dsn(
        driver_url=_joined(parts.netloc, parts.path, urlencode(theirs)),
        public=_public(parts.netloc, parts.path, query),
        hosts=hosts,
        notify=query.get("notify") or None,
        names=Names(schema or query.get("schema") or "longshore", _either(prefix, query.get("prefix"), "")),
        pool=_pool(query),
        deadline_seconds=deadline_seconds,
        connect_seconds=_seconds(query, "connect_timeout", max(1.0, deadline_seconds / max(1, len(hosts)))),
        prepared=_switch(query, "prepared"),
        application_name=query.get("application_name"),
    )


def elsewhere(dsn: Dsn) -> Dsn:
    """The same store by the way that its `notify` names. Raises SettingsError for one that cannot be read."""
    if dsn.notify is None:
        return dsn
    other = parse(dsn.notify)
    return msgspec.structs.replace(
        other, names=dsn.names, deadline_seconds=dsn.deadline_seconds, application_name=dsn.application_name
    )


def _hosts(text: str, ports: str) -> tuple[tuple[str, int | None], ...]:
    """`h1:5432,h2`, `[::1]:5432` or a folder of sockets. Raises ValueError."""
    by_place = ports.split(",") if ports else []
    found: list[tuple[str, int | None]] = []
    for place, host in enumerate(text.split(",") if text else []):
        named = re.fullmatch(r"(\[[^\]]+\]|[^:\[\]]*)(?::(\d+))?", host)
        if named is None:
            raise ValueError(host)
        port = named[2] or (by_place[place if len(by_place) > 1 else 0] if by_place else "")
        if port and not 1 <= int(port) <= LARGEST_PORT:
            raise ValueError(host)
        found.append((unquote(named[1]).strip("[]"), int(port) if port else None))
    return tuple(found)


def _public(netloc: str, path: str, query: Mapping[str, str]) -> str:
    """The URL as it may be shown."""
    who, at, where = netloc.rpartition("@")
    shown = {word: value for word, value in query.items() if word not in SECRETS and word != "notify"}
    if query.get("notify"):
        shown["notify"] = _without_password(query["notify"])
    words = urlencode(shown, safe="/:,@*", quote_via=quote)
    return _joined(who.partition(":")[0] + at + where, path, words)


def _joined(netloc: str, path: str, words: str) -> str:
    return f"postgresql://{netloc}{path.rstrip('/')}" + (f"?{words}" if words else "")


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    return _public(parts.netloc, parts.path, {word: query[word] for word in query if word != "notify"})


def _either(first: str | None, second: str | None, default: str) -> str:
    return first if first is not None else second if second is not None else default


def _pool(query: Mapping[str, str]) -> int:
    text = query.get("pool", str(LARGEST_POOL))
    if text not in {str(number) for number in range(1, LARGEST_POOL + 1)}:
        expected = (
            f"a number from 1 to {LARGEST_POOL}: one connection for each kind of call that waits for others"
        )
        raise InvalidOption("pool", text, expected)
    return int(text)


def _seconds(query: Mapping[str, str], option: str, default: float) -> float:
    text = query.get(option)
    if text is None:
        return default
    if re.fullmatch(r"\d{1,3}(\.\d{1,3})?", text) and 0 < float(text) <= LONGEST_DEADLINE_SECONDS:
        return float(text)
    raise InvalidOption(option, text, f"seconds above 0, at most {LONGEST_DEADLINE_SECONDS:g}")


def _switch(query: Mapping[str, str], option: str) -> bool | None:
    text = query.get(option)
    if text not in {None, "on", "off"}:
        raise InvalidOption(option, text, "on or off")
    return None if text is None else text == "on"
