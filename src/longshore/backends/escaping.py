"""This module refuses the URLs of servers in which a password may have come apart.

A `@`, `/`, `#` or `?` that stands for itself ends a part of the URL, and the rest of the password is then taken for a
host, a path or an option, and told to everybody by the next error. So nothing of such a URL is ever repeated.
"""

import re
from collections.abc import Collection
from urllib.parse import SplitResult, parse_qsl, urlsplit

from longshore.core.errors import SettingsError

_SERVER = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def unreadable(kind: str, example: str) -> SettingsError:
    """What to raise for a URL that cannot be read: how to write one, and nothing of this one."""
    return SettingsError(
        f"This {kind} URL cannot be read. Write {example}, with special characters of a password percent-encoded "
        "(@ is %40, / is %2F, # is %23, ? is %3F, : is %3A, % is %25), or leave it to the environment; "
        "a port is a number from 1 to 65535."
    )


def split(url: str, kind: str, example: str, *, may_hold_at: Collection[str] = ()) -> SplitResult:
    """The parts of a server's URL; only the options in `may_hold_at` may have a bare `@`.

    Raises SettingsError where something behind the host looks like a piece of a password.
    """
    try:
        parts = urlsplit(url)
        options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise unreadable(kind, example) from None
    bare = "@" in parts.query and any(
        "@" in piece and piece.partition("=")[0] not in may_hold_at for piece in parts.query.split("&")
    )
    is_split = "@" in parts.path or bare or "#" in url
    if is_split or not _SERVER.match(url) or any(not option for option, _ in options):
        raise unreadable(kind, example)
    return parts
