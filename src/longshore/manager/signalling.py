"""This module sends signals to jobs: what `ctx.wait_for` waits for."""

from typing import Any, Final
from uuid import UUID

from longshore.core.errors import JobNotFound
from longshore.core.events import Event
from longshore.core.ids import JobId, format_id, parse_id
from longshore.core.job import JobRecord
from longshore.core.names import check_name
from longshore.core.payload import encode
from longshore.core.states import TERMINAL
from longshore.core.suspension import Suspended
from longshore.engine.engine import Engine
from longshore.manager import editing
from longshore.manager.blocking import blocking
from longshore.manager.part import Part
from longshore.manager.runtime import Runtime
from longshore.manager.view import JobView
from longshore.steps import signals


class Signalling(Part):
    """Signals."""

    async def signal(self, job: JobView | str | UUID, event: str, data: Any = None) -> bool:
        """Lets a job have a signal: the one that waits for the event goes on, and one that comes to wait for it later
        finds it. Each signal is for one `ctx.wait_for`. False when the job is over already.

        Raises InvalidId, InvalidName, JobNotFound, and what data without a JSON form raises.
        """
        check_name("event", event)
        plain = encode(data, what=f"signal {event}", limit_bytes=self.runtime.settings.payload_limit)
        key = job.key if isinstance(job, JobView) else parse_id(job)
        engine = await self.runtime.engines.here()
        found = [record for record in await receivers(engine, key) if record.state not in TERMINAL]
        now_ms = self.runtime.clock.now_ms()
        for record in found:
            store = await self.runtime.engines.place(record.queue)
            await signals.post(store, [record.id], event, plain, now_ms)
            await signals.tell(store, record.id)
        return bool(found)

    signal_sync: Final = blocking(signal)


async def receivers(engine: Engine, key: JobId) -> list[JobRecord]:
    """The jobs that a signal to this id is for: the job itself. Raises JobNotFound."""
    [record] = await editing.read(engine, [key])
    if record is None:
        raise JobNotFound(format_id(key))
    return [record]


def tell_when_suspended(runtime: Runtime) -> None:
    """Looks, whenever a worker here has let go of a job that sleeps or waits, for a signal that came on the way."""

    async def look(event: Event) -> None:
        if isinstance(event.error, Suspended) and event.error.wants_signal:
            job: JobView = event.job
            await signals.tell(await runtime.engines.place(job.queue), job.key)

    runtime.bus.on("released", look)
