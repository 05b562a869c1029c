"""This module turns the results of steps into JSON and back: into what the step's function says that it returns."""

import typing
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any

import msgspec

from longshore.core.attempt_errors import ResultNotEncodable
from longshore.core.errors import PayloadError
from longshore.core.payload import decoder, encode
from longshore.core.step_errors import StepMismatch


def written(name: str, value: object, limit_bytes: int) -> msgspec.Raw:
    """A result as it is stored. Raises ResultNotEncodable."""
    try:
        return msgspec.Raw(encode(value, what=f"step {name}", limit_bytes=limit_bytes))
    except PayloadError as error:
        raise ResultNotEncodable(str(error)) from error


def read_result(name: str, value: msgspec.Raw, function: Callable[..., Any]) -> Any:
    """A result as the function's annotation says; plain values where it has none that JSON can say. Raises
    StepMismatch."""
    reader = _reader(_bare(function))
    try:
        return reader.decode(value)
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        problem = f"has a recorded result that does not fit what its function returns: {error}"
        raise StepMismatch(name, problem) from error


def _bare(function: Callable[..., Any]) -> Callable[..., Any]:
    while isinstance(function, partial):
        function = function.func
    return function


@lru_cache(maxsize=1024)
def _reader(function: Callable[..., Any]) -> "msgspec.json.Decoder[Any]":
    hints: dict[str, Any] = {}
    with suppress(TypeError, NameError, AttributeError):
        hints = typing.get_type_hints(getattr(function, "function", function), include_extras=True)
    with suppress(TypeError):
        return decoder(hints.get("return", Any))
    return decoder(Any)
