"""This module deals with providers from the manager's side: picks one that is not parked, and parks them by hand."""

import os
import socket
from collections.abc import Sequence
from typing import Final

from longshore.core.errors import InvalidOption, JobNotFound
from longshore.core.ids import format_id, parse_id
from longshore.core.limit_errors import RateLimited
from longshore.core.names import check_name
from longshore.core.retry import Seconds
from longshore.core.states import TERMINAL, State
from longshore.flow import parking
from longshore.manager import editing
from longshore.manager.blocking import blocking
from longshore.manager.jobs import JobIdLike
from longshore.manager.part import Part
from longshore.manager.runtime import Runtime
from longshore.store.commands import Changes, JobQuery, RecordAsk, Update
from longshore.worker.control import Control


async def pick_provider(runtime: Runtime, control: Control, candidates: Sequence[str]) -> str:
    """See `JobContext.provider`."""
    if isinstance(candidates, str) or not candidates:
        raise InvalidOption("candidates", candidates, 'a list of providers, such as ["openai", "anthropic"]')
    names = tuple(check_name("provider", name) for name in candidates)
    store = (await runtime.engines.here()).store
    now_ms = runtime.clock.now_ms()
    told = await parking.parked(store, names)
    waits = {name: runtime.parking.unknown(name) for name in names}
    for name, parked in told.items():
        waits[name] = max(waits[name], (parked.until_ms - now_ms) / 1000)
    picked = next((name for name in names if waits[name] <= 0), None)
    if picked is None:
        first = min(names, key=lambda name: waits[name])
        raise RateLimited(first, waits[first])
    control.picked(picked, names)
    return picked


def _sessions_here() -> str:
    """How the names of this process's sessions begin (`worker/tenure.py`)."""
    return f"{socket.gethostname()}:{os.getpid()}:"


class Providing(Part):
    """Parking providers."""

    async def handle_rate_limit(self, job_id: JobIdLike, provider: str, retry_after: Seconds = 60.0) -> bool:
        """Parks the provider for so long, for all processes, and lets this job wait until then, at the cost of no
        attempt: at once, or when the attempt ends that runs in this process, however it ends. False for a job that
        runs elsewhere, and for one that is over: then nothing is parked. (In a child process a task raises
        `RateLimited` instead.) Raises InvalidId, InvalidName, InvalidOption and JobNotFound."""
        signal = RateLimited(check_name("provider", provider), retry_after)
        key = parse_id(job_id)
        engine = await self.runtime.engines.here()
        [record] = await editing.read(engine, [key])
        if record is None:
            raise JobNotFound(format_id(key))
        if record.state in TERMINAL:
            return False
        await self._park(provider, signal.seconds)
        if record.state is State.RUNNING and (record.session or "").startswith(_sessions_here()):
            self.runtime.parking.put_off[key, record.fence] = signal
            return True
        run_ms = self.runtime.clock.now_ms() + round(signal.seconds * 1000)
        [changed] = await engine.change([Update(where=JobQuery(ids=(key,)), changes=Changes(run_ms=run_ms))])
        return bool(changed.ids)

    async def park_provider(self, provider: str, retry_after: Seconds = 60.0) -> None:
        """Parks the provider for so long from now on, in place of any longer or shorter time that was said before: no
        process starts jobs of tasks that name it. 0 lifts it, like `unpark_provider`. Raises InvalidName and
        InvalidOption."""
        signal = RateLimited(check_name("provider", provider), retry_after)
        self.runtime.parking.decree(provider, signal.seconds if retry_after else 0.0)
        await self._tell()

    async def unpark_provider(self, provider: str) -> None:
        """Lifts the park of a provider: its jobs may start again, in all processes within a second. Those that were
        put off already come back when they were told to. Raises InvalidName."""
        await self.park_provider(provider, 0)

    async def parked_providers(self) -> dict[str, float]:
        """Which providers are parked, and for how many seconds yet."""
        engine = await self.runtime.engines.here()
        now_ms = self.runtime.clock.now_ms()
        found = await parking.parked(engine.store)
        return {name: max(0.0, (each.until_ms - now_ms) / 1000) for name, each in sorted(found.items())}

    handle_rate_limit_sync: Final = blocking(handle_rate_limit)
    park_provider_sync: Final = blocking(park_provider)
    unpark_provider_sync: Final = blocking(unpark_provider)
    parked_providers_sync: Final = blocking(parked_providers)

    async def _park(self, provider: str, seconds: float) -> None:
        [records] = await (await self.runtime.engines.here()).store.get([RecordAsk(parking.PROVIDER)])
        self.runtime.parking.take(records)  # where no worker runs, nobody heard of a park that was lifted
        self.runtime.parking.park(provider, seconds)
        await self._tell()

    async def _tell(self) -> None:
        await self.runtime.parking.tell((await self.runtime.engines.here()).store)
