"""This module completes a job in a transaction of its task's own: with what the task wrote there, or not at all."""

from typing import Any

from longshore.core.attempt_errors import ClaimLost, ResultNotEncodable
from longshore.core.errors import PayloadError
from longshore.core.ids import format_id
from longshore.core.payload import encode
from longshore.core.verdict import COMPLETED
from longshore.manager.intake import settle
from longshore.manager.runtime import Runtime
from longshore.store.commands import Settlement
from longshore.store.replies import Settled
from longshore.worker.control import Control


async def complete(runtime: Runtime, control: Control, connection: object, result: Any) -> None:
    """See `JobContext.complete_in`. A plain call has no job to complete."""
    record = control.record
    encoded = _encoded(runtime, record.name, result)
    if record.session is None:
        return
    handler = runtime.registry.find(record.queue, record.name)
    settlement = Settlement(
        id=record.id,
        queue=record.queue,
        session=record.session,
        fence=record.fence,
        verdict=COMPLETED,
        result=encoded,
        keep=handler is None or handler.policy.keep_completed,
        rules=record.rules,
    )
    if await settle(runtime, settlement, connection, control) is Settled.STALE:
        raise ClaimLost(format_id(record.id))


def _encoded(runtime: Runtime, name: str, result: Any) -> bytes | None:
    if result is None:
        return None
    try:
        return encode(result, what=name, limit_bytes=runtime.settings.payload_limit, word="result")
    except PayloadError as error:
        raise ResultNotEncodable(str(error)) from error
