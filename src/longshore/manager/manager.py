"""This module is `QueueManager`, the one object through which an application reaches all of Longshore."""

from random import Random
from typing import Any, Self

from longshore.core.clock import Clock
from longshore.dlq.policy import DeadLetterPolicy
from longshore.manager.assembly import build
from longshore.manager.figures import Thresholds
from longshore.manager.in_memory import InMemory
from longshore.manager.settings import Settings
from longshore.store.contract import Store


class QueueManager(InMemory):
    """Queues, tasks, jobs and workers of one store.

    Making one connects to nothing: the store is opened on first use, by each event loop for itself. The URL is the
    argument, else the settings' (LONGSHORE_URL, …), else a file `longshore.db` in the working directory. `overrides`
    are settings. Raises SettingsError and UnknownOption.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        settings: Settings | None = None,
        dead_letters: DeadLetterPolicy | None = None,
        thresholds: Thresholds | None = None,
        clock: Clock | None = None,
        random: Random | None = None,
        store_options: dict[str, Any] | None = None,
        **overrides: Any,
    ) -> None:
        super().__init__(
            build(
                url,
                settings,
                store_options=store_options or {},
                clock=clock,
                random=random,
                thresholds=thresholds,
                overrides=overrides,
            )
        )
        self.dead_letters.policy = dead_letters

    def __repr__(self) -> str:
        return f"<QueueManager {self.url}>"

    @property
    def url(self) -> str:
        """Where the jobs are kept, without secrets."""
        return self.runtime.url

    async def store(self) -> Store:
        """The durable store itself, open in the running event loop, for tools that measure, move or inspect jobs.

        What it does, it does in lists, and no hook or event hears of it. The manager closes it. Raises
        StoreUnavailable and SchemaMismatch.
        """
        return (await self.runtime.engines.services()).durable

    async def __aenter__(self) -> Self:
        await self.runtime.engines.here()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.shutdown()

    def __enter__(self) -> Self:
        self.portal.call(self.runtime.engines.here())
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown_sync()
