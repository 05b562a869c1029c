"""This module holds what a manager's worker does beside running jobs: sign in, heed schedules, sweep dead letters,
watch the health."""

from collections.abc import Callable

from longshore.core.service import Repeating, Service
from longshore.engine.engine import Engine
from longshore.manager.declaring import bring_in, rules_here
from longshore.manager.desk import Desk
from longshore.manager.figures import Thresholds
from longshore.manager.worker_cards import WorkerCard, card, sign_in
from longshore.store.contract import Store
from longshore.upkeep.timekeeper import Timekeeper
from longshore.worker.options import WorkerOptions

PRESENCE_SECONDS = 2.0
"""Between two looks whether the worker's card still says the truth; it is stored only when it does not."""
SWEEP_SECONDS = 60.0
HEALTH_SECONDS = 30.0


def presence(session: Callable[[], str], store: Store, desk: Desk, options: WorkerOptions) -> Service:
    """Keeps the worker's card in the store, under its current session."""
    runtime = desk.runtime
    started_ms = runtime.clock.now_ms()
    shown: list[WorkerCard] = []

    async def step() -> float:
        registry = runtime.registry
        now = card(
            session=session(),
            queues=list(options.queues),
            tasks=registry.names(),
            processors=runtime.processed(),
            schedules=desk.schedules.declared.ids,
            slots=options.slots,
            started_ms=started_ms,
        )
        if shown != [now]:
            await sign_in(store, now)
            shown[:] = [now]
        return PRESENCE_SECONDS

    return Repeating("presence", step, clock=runtime.clock, random=runtime.random, bus=runtime.bus)


def timekeeper(desk: Desk, engine: Engine, options: WorkerOptions) -> Service:
    """Acts on the ticks of schedules: of those made at run time, and of those in the code of this process."""
    runtime, declared = desk.runtime, desk.schedules.declared
    known: list[int] = []

    async def declare() -> None:
        version = declared.version
        if known != [version]:
            await bring_in(runtime, engine, declared)
            known[:] = [version]

    return Timekeeper(
        engine,
        declare=declare,
        is_ours=lambda schedule_id, entry: entry.code is None or schedule_id in declared.ids,
        rules_of=lambda job: rules_here(runtime, job),
        poll_seconds=options.poll_seconds,
        clock=runtime.clock,
        random=runtime.random,
        bus=runtime.bus,
    )


def dead_letter_sweeper(desk: Desk) -> Service:
    """Applies the policies for dead letters, where there are any."""
    runtime = desk.runtime

    async def step() -> float:
        if desk.dead_letters.has_policies:
            await desk.dead_letters.process()
        return SWEEP_SECONDS

    return Repeating("dead letter sweeper", step, clock=runtime.clock, random=runtime.random, bus=runtime.bus)


def health_watch(desk: Desk) -> Service:
    """Looks at the health where thresholds are set and somebody listens to "unhealthy"."""
    runtime = desk.runtime

    async def step() -> float:
        if runtime.thresholds != Thresholds() and runtime.bus.wants("unhealthy"):
            await desk.health()
        return HEALTH_SECONDS

    return Repeating("health watch", step, clock=runtime.clock, random=runtime.random, bus=runtime.bus)
