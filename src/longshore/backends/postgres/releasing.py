"""This module ends claims of jobs with limits, and any whose follow-ups have rules, under the locks of their queues."""

from collections.abc import Iterable, Mapping

import msgspec

from longshore.backends.postgres.dependents import Dependents
from longshore.backends.postgres.dialect import Dialect, Runs
from longshore.backends.postgres.ledger import Ledger, are_places, lock, ruled
from longshore.backends.postgres.lines import Contender
from longshore.backends.postgres.newcomers import Newcomers, finish, join
from longshore.backends.postgres.settling import Ended, Numbered, end, end_serving, is_plainly_over
from longshore.backends.postgres.turns import FIRST_TURN
from longshore.core.job import NewJob
from longshore.core.rules import LimitKind, Rules, pack
from longshore.core.states import State
from longshore.store.commands import Settlement


def needs_locks(settlement: Settlement) -> bool:
    """Whether the job gives room back, asks for it or takes a turn, or one that follows it has rules or edges."""
    if any(job.rules is not None or job.edges is not None for job in settlement.follow):
        return True
    rules = settlement.rules
    if rules is None:
        return False
    if settlement.verdict.state is State.PENDING and ruled(rules):
        return True
    return _gives_back(rules)


async def settle(
    connection: Runs, dialect: Dialect, settlements: list[Numbered], now_ms: int | None
) -> Ended:
    """As `settling.settle`, inside a transaction that the caller begins and ends.

    The statement puts a job that goes back to pending in line, where nobody else sees it yet; if there is no room for
    it, it is taken out again.
    """
    if all(_only_gives_places_back(each) for _, each in settlements):
        return await _settle_and_serve(connection, dialect, settlements, now_ms)
    in_order = sorted(settlements, key=lambda numbered: numbered[0])
    followers = [job for _, each in in_order for job in each.follow]
    newcomers = Newcomers(connection, dialect, followers, are_followers=True)
    await newcomers.lock_marks()
    flows = {each.queue for _, each in settlements if needs_locks(each)} | newcomers.flows
    locked = await lock(connection, dialect, now_ms, flows=flows)
    ended = await end(connection, dialect, settlements, locked.now_ms)
    if followers:
        await newcomers.look()
    ledger = Ledger(connection, dialect, locked)
    applied = dict(ended.applied)
    back = await _returned(connection, dialect, applied.values())
    await ledger.load(_subjects(applied.values(), back, followers))
    dependents = Dependents(connection, dialect, locked.now_ms)
    newcomers.still_running = {each.id for each in applied.values()}
    first = 0
    for number, each in in_order:
        place = (ended.place or locked.place) + ended.steps[number]
        ledger.set_tail(place + len(each.follow))
        if number in applied:
            _end(ledger, each, back.get(each.id))
            newcomers.still_running.discard(each.id)
            for behind in range(len(each.follow)):
                newcomers.judge(first + behind, place + behind + 1, ledger, dependents)
        first += len(each.follow)
    await finish(newcomers, ledger, dependents)
    return ended


def _only_gives_places_back(settlement: Settlement) -> bool:
    """What most settlements of jobs with limits say."""
    return (
        is_plainly_over(settlement)
        and not settlement.follow
        and (settlement.rules is None or (len(settlement.rules.flow) < 2 and are_places(settlement.rules)))
    )


async def _settle_and_serve(
    connection: Runs, dialect: Dialect, settlements: list[Numbered], now_ms: int | None
) -> Ended:
    """One statement under the locks, and a ledger only for meters that hold jobs which need more than a place."""
    flows = {each.queue for _, each in settlements if needs_locks(each)}
    locked = await lock(connection, dialect, now_ms, flows=flows)
    ended = await end_serving(connection, dialect, settlements, locked.now_ms, locked.place)
    if ended.left:
        ledger = Ledger(connection, dialect, locked)
        ledger.set_tail(ended.place or locked.place)
        await ledger.touch_all(ended.left)
        await ledger.serve()
        await ledger.keep()
    return ended


def _end(ledger: Ledger, settlement: Settlement, back: Contender | None) -> None:
    if settlement.rules is not None:
        ledger.leave(settlement.queue, settlement.rules.flow, was_claimed=True)
    if back is not None:
        ledger.ask(back)


async def _returned(
    connection: Runs, dialect: Dialect, applied: Iterable[Settlement]
) -> dict[bytes, Contender]:
    """Those that want to be pending again, by their ids."""
    asking: dict[bytes, Settlement] = {
        each.id: each for each in applied if each.verdict.state is State.PENDING and ruled(each.rules)
    }
    if not asking:
        return {}
    rows = await dialect.fetch(connection, "returned", [job_id.hex() for job_id in asking])
    back: dict[bytes, Contender] = {}
    for job_id, priority, place, aside in rows:
        has_turn = place >= FIRST_TURN
        back[job_id] = Contender(
            id=job_id.hex(),
            queue=asking[job_id].queue,
            priority=priority,
            rules=asking[job_id].rules or Rules(),
            order=aside if has_turn else place,
            turn=place if has_turn else None,
        )
    return back


def _subjects(
    applied: Iterable[Settlement], back: Mapping[bytes, Contender], followers: Iterable[NewJob]
) -> list[tuple[str, int, Rules | None]]:
    """About whom is decided, as `Ledger.load` takes them."""
    leaving = [(each.queue, 0, Rules(flow=each.rules.flow)) for each in applied if each.rules is not None]
    asking = [(job.queue, job.priority, job.rules) for job in back.values()]
    return [*leaving, *asking, *((job.queue, job.priority, job.rules) for job in followers)]


async def settle_within(
    connection: Runs, dialect: Dialect, settlements: list[Numbered], now_ms: int | None
) -> Ended:
    """The same in a transaction of the caller's, which may stay open for long: no lock of a queue is taken. Room is
    given back by the next `promote`, which also decides about whoever wants to be pending."""
    later = [(number, _put_off(each)) for number, each in settlements]
    ended = await end(connection, dialect, later, now_ms)
    applied = sorted(ended.applied, key=lambda numbered: numbered[0])
    leaving = [
        (each.queue, pack(Rules(flow=each.rules.flow)))
        for _, each in applied
        if each.rules is not None and _gives_back(each.rules)
    ]
    if leaving:
        await dialect.fetch(
            connection,
            "leave",
            dialect.channel,
            [queue for queue, _ in leaving],
            [rules for _, rules in leaving],
        )
    followers = [job for _, each in applied for job in each.follow]
    if followers:
        await join(connection, dialect, followers, now_ms, are_followers=True)
    return ended


def _gives_back(rules: Rules) -> bool:
    """Whether the end of a claim does; what it has spent of a rate never comes back."""
    return any(key.kind is LimitKind.CONCURRENCY for key in rules.flow)


def _put_off(settlement: Settlement) -> Settlement:
    """One that asks for room or a turn waits for a time that has come."""
    if settlement.verdict.state is not State.PENDING or not ruled(settlement.rules):
        return settlement
    verdict = msgspec.structs.replace(settlement.verdict, state=State.SCHEDULED, delay_ms=0, run_ms=None)
    return msgspec.structs.replace(settlement, verdict=verdict)
