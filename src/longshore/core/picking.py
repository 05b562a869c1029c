"""This module picks a value out of a job's data: by an argument's name, by a dotted path, or by a function.

What is picked is the same in every process: it is looked for in the data as plain JSON values, never in the objects
that the caller had in hand.
"""

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from hashlib import blake2b
from typing import Any

import msgspec

from longshore.core.errors import InvalidOption, UsageError

By = str | Callable[[Any], Any]
"""An argument's name, a dotted path into the data ("order.customer"), or a function of the data as plain values."""

KEY_LIMIT = 200
"""Characters of a key; of longer ones the beginning is kept, and a digest of all."""


class PickFailed(InvalidOption):
    """A function that was to pick something from a job's data raised; its error is the cause. Nothing was stored."""

    def __init__(self, option: str, by: Callable[[Any], Any], error: Exception, *, owner: str = "") -> None:
        self.picker: Callable[[Any], Any] = by
        name = getattr(by, "__qualname__", repr(by))
        what = f"raised {type(error).__name__}: {error}" if str(error) else f"raised {type(error).__name__}"
        whose = f" of {owner}" if owner else ""
        UsageError.__init__(
            self,
            f"Function '{name}' of option '{option}'{whose} {what}. It gets the job's data as plain values.",
        )
        self.option = option

    def of(self, owner: str) -> "PickFailed":
        """The same, and of which limit or task the option is. To be raised from the same cause."""
        error = self.__cause__
        return PickFailed(
            self.option, self.picker, error if isinstance(error, Exception) else self, owner=owner
        )


class Pick:
    """Picks one value. Raises InvalidOption for what is neither a path nor a function."""

    __slots__ = ("by", "option", "path")

    def __init__(self, option: str, by: By) -> None:
        self.option: str = option
        self.by: By = by
        self.path: tuple[str, ...] = ()
        if isinstance(by, str):
            self.path = tuple(by.split("."))
        if not callable(by) and not all(self.path or ("",)):
            raise InvalidOption(
                option, by, "an argument's name, a dotted path into the data, or a function of it"
            )

    def __call__(self, data: Any) -> Any:
        """The value; None where the data has none there. Raises PickFailed where the function raises."""
        if callable(self.by):
            try:
                return self.by(data)
            except Exception as error:
                raise PickFailed(self.option, self.by, error) from error
        for step in self.path:
            if isinstance(data, Mapping):
                data = data.get(step)
            elif isinstance(data, list) and step.isdecimal() and int(step) < len(data):
                data = data[int(step)]
            else:
                return None
        return data

    def check(self, task: str, parameters: Iterable[str] | None, *, owner: str | None = None) -> None:
        """Raises InvalidOption, with the nearest one, for a path that begins with no parameter of the task (None: they
        are not known); `owner` is who has the option, where that is not the task."""
        if not self.path or parameters is None:
            return
        known = tuple(parameters)
        if self.path[0] in known:
            return
        near = get_close_matches(self.path[0], known, n=1)
        hint = f", perhaps '{near[0]}'" if near else ""
        whose = f"; it is an option of {owner}" if owner else ""
        expected = f"an argument of task '{task}' ({', '.join(known) or 'it has none'}){hint}{whose}"
        raise InvalidOption(self.option, self.by, expected)


def key_text(value: Any) -> str:
    """The key that a picked value is: the text itself, else its JSON; "" for None. Raises InvalidOption for what has no
    JSON form."""
    if value is None:
        return ""
    plain = value if isinstance(value, str) else _plain_text(value)
    text = plain.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
    if len(text) <= KEY_LIMIT:
        return text
    return f"{text[: KEY_LIMIT - 33]}~{blake2b(text.encode(), digest_size=16).hexdigest()}"


def _plain_text(value: object) -> str:
    try:
        text = _sorted_json.encode(value).decode()
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        raise InvalidOption("by", value, "something whose key is a text, a number or plain data") from error
    return text.strip('"')  # of a UUID, a date or an enum member that a function gave


_sorted_json = msgspec.json.Encoder(order="deterministic")
