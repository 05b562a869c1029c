"""This module turns values into the JSON bytes that stores keep, and back. Never pickle: data must not become code.

Beyond the types of JSON: dataclasses, msgspec structs, attrs classes, TypedDicts, enums, dates, times, timedelta,
UUID, Decimal, bytes (base64), sets and tuples by msgspec; pydantic models and paths by the hooks below.
"""

import math
from pathlib import PurePath
from typing import Any, Literal

import msgspec

from longshore.core.errors import PayloadNotEncodable, PayloadTooLarge

PAYLOAD_LIMIT_BYTES = 1_048_576
"""Of one encoded value unless the settings say otherwise. A queue of megabytes is a file system in the wrong place."""


def encode(
    value: Any, *, what: str, limit_bytes: int = PAYLOAD_LIMIT_BYTES, word: Literal["data", "result"] = "data"
) -> bytes:
    """The value as JSON. `what` names the task in the error, and `word` what of it the value is.

    Raises PayloadNotEncodable, also for NaN and infinity, which JSON does not have, and PayloadTooLarge.
    """
    try:
        data = _encoder.encode(value)
    except (
        TypeError,
        ValueError,
        RecursionError,
        OverflowError,
        UnicodeError,
        msgspec.MsgspecError,
    ) as error:
        raise PayloadNotEncodable(what, str(error), word=word) from error
    except Exception as error:  # what a model's own encoder raises
        raise PayloadNotEncodable(
            what, f"its own encoder raised {type(error).__name__}", word=word
        ) from error
    if len(data) > limit_bytes:
        raise PayloadTooLarge(what, len(data), limit_bytes, word=word)
    if b"null" in data and _has_no_number(
        value
    ):  # msgspec writes NaN as null; the look costs nothing without one
        raise PayloadNotEncodable(what, "it holds NaN or infinity, which JSON does not have", word=word)
    return data


def decode(data: bytes) -> Any:
    """The plain value: dicts, lists, str, int, float, bool, None. Raises msgspec.DecodeError."""
    return _plain.decode(data)


def decoder(annotation: Any) -> "msgspec.json.Decoder[Any]":
    """A reader of JSON into the type. Raises TypeError for types that msgspec cannot read."""
    return msgspec.json.Decoder(annotation, dec_hook=_read_foreign)


def _write_foreign(value: Any) -> Any:
    if hasattr(value, "model_dump") and hasattr(type(value), "model_validate"):
        return value.model_dump(mode="json")
    if isinstance(value, PurePath):
        return str(value)
    message = f"values of type {type(value).__name__} have no JSON form"
    raise TypeError(message)


def _read_foreign(annotation: type, value: Any) -> Any:
    if annotation is object:
        return value
    if hasattr(annotation, "model_validate"):
        return value if isinstance(value, annotation) else annotation.model_validate(value)
    if isinstance(annotation, type) and issubclass(annotation, PurePath):
        return annotation(value)
    message = f"values of type {getattr(annotation, '__name__', annotation)} cannot be read from JSON"
    raise TypeError(message)


def _has_no_number(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, dict):
        return any(map(_has_no_number, value.values()))
    if isinstance(value, list | tuple | set | frozenset):
        return any(map(_has_no_number, value))
    if isinstance(value, msgspec.Struct):
        return any(_has_no_number(getattr(value, field)) for field in value.__struct_fields__)
    fields = getattr(value, "__dataclass_fields__", ())
    return any(_has_no_number(getattr(value, field, None)) for field in fields)


_encoder = msgspec.json.Encoder(enc_hook=_write_foreign)
_plain = msgspec.json.Decoder(Any)
