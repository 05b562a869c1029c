"""This module builds the manager: the one place to see who is given what."""

from collections.abc import Callable
from random import Random
from typing import Any

from longshore.backends import check_scheme, open_store
from longshore.backends.tiers import TwoTiers
from longshore.core.clock import Clock, SystemClock, system_random
from longshore.core.events import Bus
from longshore.core.service import Service
from longshore.engine.engine import Engine
from longshore.manager.context import JobContext
from longshore.manager.desk import Desk
from longshore.manager.engines import Engines
from longshore.manager.figures import Thresholds
from longshore.manager.job import Job
from longshore.manager.rule_watch import RuleWatch
from longshore.manager.runtime import Runtime
from longshore.manager.services import dead_letter_sweeper, health_watch, presence, timekeeper
from longshore.manager.settings import Settings, load_settings, without_secrets
from longshore.manager.signalling import tell_when_suspended
from longshore.store.contract import Store
from longshore.upkeep.forgetter import Forgetter
from longshore.upkeep.inspector import Inspector
from longshore.upkeep.promoter import Promoter
from longshore.upkeep.pruner import Pruner
from longshore.upkeep.rescuer import Rescuer
from longshore.worker.options import WorkerOptions
from longshore.worker.worker import Worker


def build(
    url: str | None,
    settings: Settings | None,
    *,
    store_options: dict[str, Any],
    clock: Clock | None,
    random: Random | None,
    thresholds: Thresholds | None,
    overrides: dict[str, Any],
) -> Runtime:
    """What a manager needs. Raises SettingsError and UnknownOption; connects to nothing yet."""
    settings = settings or load_settings(overrides if url is None else {**overrides, "url": url})
    where = settings.url if url is None else url
    check_scheme(where)
    if clock is not None:
        store_options = {**store_options, "clock": clock}  # a test's time must be the store's as well
    clock = clock or SystemClock()
    random = random or system_random()
    bus = Bus()

    def make_store() -> Store:
        return open_store(where, **store_options)

    def make_engine(store: Store) -> Engine:
        return Engine(store, bus=bus, clock=clock, random=random)

    def make_memory() -> Store:
        return open_store("memory://", clock=clock)

    volatile: set[str] = set()
    runtime = Runtime(
        url=without_secrets(where),
        settings=settings,
        engines=Engines(make_store, make_memory, make_engine, volatile, clock),
        volatile=volatile,
        bus=bus,
        clock=clock,
        random=random,
        thresholds=thresholds or Thresholds(),
    )
    tell_when_suspended(runtime)
    return runtime


def hire(
    desk: Desk,
    engine: Engine,
    options: WorkerOptions,
    *,
    with_upkeep: bool = True,
    with_schedules: bool = True,
) -> Worker:
    """A worker of this manager, with the services that keep the store in order unless they are not wanted."""
    upkeep = _upkeep(desk, engine, options, lambda: worker.session) if with_upkeep else []
    if with_upkeep and with_schedules:
        upkeep.append(timekeeper(desk, engine, options))
    runtime = desk.runtime
    worker = Worker(
        engine,
        runtime.registry,
        options,
        bus=runtime.bus,
        clock=runtime.clock,
        random=runtime.random,
        make_context=lambda control: JobContext(desk, control),
        make_job=lambda record: Job(runtime, record),
        middleware=runtime.middleware,
        parking=runtime.parking,
        upkeep=upkeep,
    )
    return worker


def _upkeep(desk: Desk, engine: Engine, options: WorkerOptions, session: Callable[[], str]) -> list[Service]:
    """What goes on beside the jobs, in every worker."""
    runtime = desk.runtime
    bus, clock, random = runtime.bus, runtime.clock, runtime.random
    return [
        presence(session, engine.store, desk, options),
        Promoter(engine, poll_seconds=options.poll_seconds, clock=clock, random=random, bus=bus),
        Rescuer(
            engine,
            find=runtime.registry.find,
            lease_seconds=options.lease_seconds,
            make_job=lambda record: Job(runtime, record),
            bus=bus,
            clock=clock,
            random=random,
        ),
        Pruner(
            engine,
            stated=runtime.stated_retentions,
            default=runtime.default_retention,
            pause_seconds=runtime.prune_seconds,
            clock=clock,
            random=random,
            bus=bus,
        ),
        Forgetter(_tiers(engine.store), clock=clock, random=random, bus=bus),
        Inspector(engine.store, bus=bus, clock=clock, random=random),
        RuleWatch(engine, runtime),
        dead_letter_sweeper(desk),
        health_watch(desk),
    ]


def _tiers(store: Store) -> list[Store]:
    """The stores that have records of their own."""
    return [store.durable, store.memory] if isinstance(store, TwoTiers) else [store]
