"""This module builds the manager: the one place to see who is given what."""

from random import Random
from typing import Any

from longshore.backends import open_store
from longshore.core.clock import Clock, SystemClock, system_random
from longshore.core.events import Bus
from longshore.engine.engine import Engine
from longshore.manager.engines import Engines
from longshore.manager.figures import Thresholds
from longshore.manager.runtime import Runtime
from longshore.manager.settings import Settings, load_settings, without_secrets
from longshore.store.contract import Store


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
    if clock is not None:
        store_options = {**store_options, "clock": clock}  # a test's time must be the store's as well
    clock = clock or SystemClock()
    random = random or system_random()
    bus = Bus()

    def make_store() -> Store:
        return open_store(where, **store_options)

    def make_engine(store: Store) -> Engine:
        return Engine(store, bus=bus, clock=clock, random=random)

    return Runtime(
        url=without_secrets(where),
        settings=settings,
        engines=Engines(make_store, make_engine, clock),
        bus=bus,
        clock=clock,
        random=random,
        thresholds=thresholds or Thresholds(),
    )
