"""This module makes and prints job ids: UUIDv7, 16 bytes inside Longshore, the usual text outside.

Sixteen bytes are less than half of the 36 characters, and every index that holds an id is smaller by as much.
UUIDv7 (RFC 9562) begins with the time, so ids made later sort later and an index grows at its end.
"""

from typing import NewType
from uuid import UUID

import uuid_utils

from longshore.core.errors import InvalidId

JobId = NewType("JobId", bytes)
"""The 16 bytes of a UUID."""


def new_id() -> JobId:
    """A new id; ids of one process are in the order in which they were made."""
    return JobId(uuid_utils.uuid7().bytes)


def format_id(job_id: JobId) -> str:
    """The id as people write it: `0192f0c1-…`, 36 characters."""
    text = job_id.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def parse_id(text: "str | UUID | JobId") -> JobId:
    """The id behind a text, a `uuid.UUID` or an id itself.

    Raises InvalidId for anything else: a word of the user's own belongs in `reference` or `metadata`.
    """
    if isinstance(text, bytes) and len(text) == 16:
        return JobId(text)
    if isinstance(text, UUID):
        return JobId(text.bytes)
    try:
        return JobId(UUID(text).bytes)  # type: ignore[arg-type]  # anything else fails right here
    except (ValueError, TypeError, AttributeError) as error:
        raise InvalidId(text) from error
