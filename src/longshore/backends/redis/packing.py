"""This module writes MessagePack as the library in Redis reads it: of 2013, without a type for bytes.

Bytes and texts are both raw strings to Lua. msgspec writes bytes as `bin`, which that library refuses.
"""

import struct
from collections.abc import Mapping, Sequence

Value = bool | float | str | bytes | Sequence["Value"] | Mapping[str, "Value"]


def pack(value: Value) -> bytes:
    """The value in MessagePack."""
    pieces: list[bytes] = []
    _pack(value, pieces)
    return b"".join(pieces)


def _pack(value: Value, pieces: list[bytes]) -> None:
    match value:
        case bool():
            pieces.append(b"\xc3" if value else b"\xc2")
        case int() | float():  # Lua has no other numbers
            pieces.append(struct.pack(">Bd", 0xCB, value))
        case str():
            _pack_raw(value.encode(), pieces)
        case bytes():
            _pack_raw(value, pieces)
        case Mapping():
            pieces.append(struct.pack(">BI", 0xDF, len(value)))
            for name, each in value.items():
                _pack_raw(name.encode(), pieces)
                _pack(each, pieces)
        case Sequence():
            pieces.append(struct.pack(">BI", 0xDD, len(value)))
            for each in value:
                _pack(each, pieces)


def _pack_raw(text: bytes, pieces: list[bytes]) -> None:
    pieces.append(struct.pack(">BI", 0xDB, len(text)))
    pieces.append(text)
