"""This module groups errors that say the same: what differs from job to job becomes a placeholder. Pure."""

import re
from collections import Counter
from collections.abc import Iterable

_VARYING = (
    (re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE), "<uuid>"),
    (re.compile(r"(?<!\w)'[^'\n]*'(?!\w)|\"[^\"\n]*\""), "<text>"),  # not the apostrophe of "can't"
    (re.compile(r"\b0x[0-9a-f]+\b", re.IGNORECASE), "<hex>"),
    (re.compile(r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{8,}\b", re.IGNORECASE), "<hex>"),
    (re.compile(r"(?<![\w<])-?\d+(?:[.,]\d+)*"), "<n>"),
)
"""What varies, from the most to the least specific; a number inside a name (utf8, v2) is part of the name."""


def pattern_of(message: str) -> str:
    """The message's first line with placeholders for ids, quoted texts, hexadecimal and other numbers."""
    line = message.partition("\n")[0]
    for varying, placeholder in _VARYING:
        line = varying.sub(placeholder, line)
    return line


def group(messages: Iterable[str]) -> dict[str, int]:
    """How often each pattern occurs, the most frequent first."""
    return dict(Counter(map(pattern_of, messages)).most_common())
