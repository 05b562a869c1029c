"""This module packs the rules of jobs so that the scripts can read them, and reads them back.

MessagePack of lists, like `core/rules.py`, but of texts and numbers only: the library in Redis is of 2013 and knows no
bytes, so a unique key is written in hexadecimal and states are written by their codes. In front of it a byte says
whether a claim of the job spends of a rate, and whether its end gives room back: where not, the script need not read
the rest. Of the commonest rules what serves and ends need stands there too.
"""

import struct
from collections.abc import Iterable, Iterator

import msgspec

from longshore.core.rules import FairKey, FlowKey, LimitKind, Rules, UniqueKey
from longshore.core.states import CODES, STATES
from longshore.store.admission import Meter

SPENDS, GIVES, SHORT = 1, 2, 4
_SHORT = struct.Struct("<HI")
"""Of the commonest rules, one concurrency limit and nothing else: length of the meter's name, cost; then the name."""
_LARGEST_COST = 2**32 - 1
_HEAD = 8
"""Bytes in front of the rules in what is kept: the place in the flow of the limit that holds the job, and its tag."""
_NUMBERS = struct.Struct("<BdddddddH")
"""Of a meter, up to its front; the last two are its number and the size of its front."""


_encode = msgspec.msgpack.Encoder().encode


class _Unique(msgspec.Struct, frozen=True, array_like=True, gc=False):
    key: str
    states: tuple[int, ...]
    within_ms: int | None


class _Rules(msgspec.Struct, frozen=True, array_like=True, gc=False):
    flow: tuple[FlowKey, ...]
    fair: FairKey | None
    unique: _Unique | None
    room: int | None


_decode = msgspec.msgpack.Decoder(_Rules).decode


def packed_rules(rules: Rules | None) -> bytes:
    """The rules as the scripts take them; empty for none."""
    if rules is None:
        return b""
    unique = None
    if rules.unique is not None:
        codes = tuple(CODES[state] for state in rules.unique.states)
        unique = _Unique(rules.unique.key.hex(), codes, rules.unique.within_ms)
    spends = any(key.kind is not LimitKind.CONCURRENCY for key in rules.flow)
    gives = any(key.kind is LimitKind.CONCURRENCY for key in rules.flow)
    short = short_rules(rules)
    head = bytes([SPENDS * spends + GIVES * gives + SHORT * bool(short)])
    return head + short + _encode(_Rules(rules.flow, rules.fair, unique, rules.room))


def short_rules(rules: Rules) -> bytes:
    """All that a script needs to serve such a job without reading the rest; empty where there is more to it."""
    if len(rules.flow) != 1 or rules.fair is not None or rules.unique is not None or rules.room is not None:
        return b""
    [key] = rules.flow
    if key.kind is not LimitKind.CONCURRENCY or key.cost > _LARGEST_COST:
        return b""
    name = key.meter.encode()
    return _SHORT.pack(len(name), key.cost) + name


def read_rules(packed: bytes) -> Rules:
    """The rules that were packed."""
    begin = 1
    if packed[0] & SHORT:
        length, _ = _SHORT.unpack_from(packed, 1)
        begin += _SHORT.size + length
    told = _decode(packed[begin:])
    unique = None
    if told.unique is not None:
        states = tuple(STATES[code] for code in told.unique.states)
        unique = UniqueKey(bytes.fromhex(told.unique.key), states, told.unique.within_ms)
    return Rules(told.flow, told.fair, unique, told.room)


def read_each(kept: Iterable[int | bytes]) -> Iterator[Rules]:
    """The rules in what is kept of many jobs. Most have the same ones, which are read once."""
    known: dict[int | bytes, Rules] = {}
    for one in kept:
        if one not in known:
            known[one] = read_rules(bytes(one)[_HEAD:])
        yield known[one]


def kept_rules(kept: bytes) -> tuple[Rules, str | None]:
    """What is kept of a job: its rules, and the meter that holds it, or did when it was held last."""
    rules = read_rules(kept[_HEAD:])
    return rules, rules.flow[kept[0] - 1].meter if kept[0] else None


def packed_key(key: FlowKey) -> bytes:
    """One limit, for `tune`."""
    return _encode(key)


def read_meter(queue: str, name: str, packed: bytes) -> Meter:
    """A meter as the scripts keep it (`meters.lua`)."""
    kind, *numbers, front = _NUMBERS.unpack_from(packed)
    limit, per_ms, burst, used, held, wanted, _ = map(int, numbers)
    rule, _, key = name.partition(":")
    return Meter(
        queue=queue,
        rule=rule,
        key=key,
        kind=LimitKind(kind),
        limit=limit,
        per_ms=per_ms,
        burst=burst,
        used=used,
        spent=packed[_NUMBERS.size + front :],
        held=held,
        wanted=wanted,
    )
