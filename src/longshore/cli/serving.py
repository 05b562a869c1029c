"""This module is a worker's life in one process, and the supervisor's over several."""

import asyncio
import logging
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from longshore.cli.failures import FAILED, Misuse
from longshore.cli.loading import load_manager
from longshore.core.clock import SystemClock, system_random
from longshore.manager.manager import QueueManager
from longshore.manager.safety import refuse_unsafe
from longshore.manager.settings import Settings
from longshore.manager.store_wait import StoreWait
from longshore.scaling.parent import Parent
from longshore.scaling.reload import SourceWatch
from longshore.scaling.supervisor import Supervisor
from longshore.worker.signals import StopSignals

log = logging.getLogger("longshore.worker")


async def serve(
    target: str, queues: Mapping[str, int | None] | None, *, concurrency: int | None, burst: bool
) -> int:
    """Runs one worker until it is drained, and gives the exit code. Raises Misuse, Failure, StoreUnavailable."""
    manager = load_manager(target)
    check_served(target, manager, queues)
    try:
        log.info("%s", introduction(manager, queues, concurrency))
        code = await manager.run_worker(queues=queues, concurrency=concurrency, burst=burst)
    finally:
        await manager.shutdown()
    log.info("stopped; nothing is left in this process")
    return code


def supervise(
    target: str,
    arguments: Sequence[str],
    *,
    queues: Mapping[str, int | None] | None,
    processes: int,
    settings: Settings,
    reload: bool,
) -> int:
    """Runs several worker processes until they are drained, and gives the exit code. What is wrong with the
    application or the store is said once, here, before any of them starts."""
    manager = load_manager(target)
    check_served(target, manager, queues)
    if not asyncio.run(_is_sound(manager)):
        return 0
    log.info("supervisor %d of %d: %s", os.getpid(), processes, introduction(manager, queues, None))
    command = [sys.executable, "-m", "longshore", "worker", *arguments]
    clock = SystemClock()
    supervisor = Supervisor(
        lambda _number: command, processes, grace_seconds=settings.grace, clock=clock, random=system_random()
    )
    parent = Parent.from_environment()
    if parent is not None:  # whoever started us asked not to be outlived
        parent.watch(supervisor.stop)
    with StopSignals(on_hangup=supervisor.reload) as signals:
        signals.attach(supervisor)
        code = asyncio.run(_watch(supervisor, [Path.cwd()]) if reload else supervisor.run())
    return FAILED if code else 0


def introduction(
    manager: QueueManager, queues: Mapping[str, int | None] | None, concurrency: int | None
) -> str:
    """What is served, in one line."""
    settings, registry = manager.runtime.settings, manager.runtime.registry
    names = queues or manager.runtime.served()
    slots = concurrency or settings.concurrency
    return (
        f"serving {_listed(names, 'queue')} with {_listed(registry.names(), 'task')} on {manager.url}; "
        f"{slots} slots, lease {settings.lease:g} s, grace {settings.grace:g} s"
    )


def check_served(target: str, manager: QueueManager, queues: Mapping[str, int | None] | None) -> None:
    """Raises Misuse where there is nothing that a process of its own could do."""
    served = queues or manager.runtime.served()
    if not served:
        raise Misuse(nothing_to_serve(target))
    if all(queue in manager.runtime.volatile for queue in served):
        raise Misuse(
            f"{target} has nothing to serve here but {_listed(served, 'queue')} in memory (durable=False): only the "
            "process that adds such jobs can run them. Call `await manager.start_workers()` there."
        )


def nothing_to_serve(target: str) -> str:
    """What one is told whose application has no task."""
    return f"{target} has nothing to serve: define a task or a processor in it, or name queues with --queues."


def _listed(names: Iterable[str], noun: str) -> str:
    """`queue emails`, `queues emails, images`, `14 tasks`."""
    listed = sorted(names)
    if not listed:
        return f"no {noun}s"
    if len(listed) > 8:
        return f"{len(listed)} {noun}s"
    return f"{noun}{'s' if len(listed) > 1 else ''} {', '.join(listed)}"


async def _is_sound(manager: QueueManager) -> bool:
    """Whether workers may start; False when somebody ended the waiting for the store. Raises UnsafeStore."""

    async def examined() -> bool:
        await refuse_unsafe(await manager.store(), is_allowed=manager.runtime.settings.unsafe_store)
        return True

    store_wait = StoreWait(manager.runtime.clock, manager.runtime.random)
    try:
        with StopSignals() as signals:
            signals.attach(store_wait)
            return bool(await store_wait.opened(examined))
    finally:
        await manager.shutdown()


async def _watch(supervisor: Supervisor, folders: list[Path]) -> int:
    def changed(files: list[Path]) -> None:
        log.info("%s changed; starting anew", ", ".join(path.name for path in files[:3]))
        supervisor.reload()

    watching = asyncio.create_task(SourceWatch(folders, changed, clock=SystemClock()).run())
    try:
        return await supervisor.run()
    finally:
        watching.cancel()
