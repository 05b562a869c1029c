"""Children come while their parents end elsewhere, in transactions of applications too: none of them is forgotten."""

import asyncio
import random
from collections.abc import AsyncIterator

import asyncpg
import pytest

from longshore.backends.postgres import editing, pooling, propagating, settling
from longshore.backends.postgres.links import Lane
from longshore.backends.postgres.store import PostgresStore
from longshore.core.edges import Edge, Edges, When
from longshore.core.ids import new_id
from longshore.core.job import JobRecord, NewJob
from longshore.core.rules import FlowKey, LimitKind, Rules
from longshore.core.states import State
from longshore.core.verdict import COMPLETED, RELEASED, retry_after
from longshore.store.commands import Cancel, Changes, ClaimAsk, JobQuery, Lease, Settlement, Update
from servers.server import ServerLike
from tests.unit.backends.postgres.asking import Query, until

QUEUES = ("mail", "scan")
SESSION = "s"
ROUNDS = 25


@pytest.fixture
async def stores(
    postgres: ServerLike, schema: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[list[PostgresStore]]:
    """Handles such as processes have; a deadlock is not tried again but fails the test."""
    monkeypatch.setattr(pooling, "AGAIN", frozenset())
    handles = [PostgresStore(postgres.url, schema=schema) for _ in range(4)]
    for handle in handles:
        await handle.open()
    await handles[0].extend([Lease(session=SESSION, lease_ms=60_000, opens=True)])
    yield handles
    for handle in handles:
        await handle.close()


def job(*parents: NewJob, queue: str = "mail", on: When = When.ALWAYS, rules: Rules | None = None) -> NewJob:
    edges = Edges(tuple(Edge(parent.id, parent.queue, on) for parent in parents)) if parents else None
    return NewJob(id=new_id(), queue=queue, name="send", payload=b"1", edges=edges, rules=rules)


def limited(key: int) -> Rules | None:
    return None if key % 3 else Rules(flow=(FlowKey("tenant", str(key % 2), LimitKind.CONCURRENCY, 50),))


async def claim(store: PostgresStore, queue: str = "mail", count: int = 100) -> list[JobRecord]:
    [claimed] = await store.claim([ClaimAsk(queue=queue, session=SESSION, count=count)])
    return claimed.jobs


def end(claimed: JobRecord) -> Settlement:
    return Settlement(
        id=claimed.id,
        queue=claimed.queue,
        session=SESSION,
        fence=claimed.fence,
        verdict=COMPLETED,
        rules=claimed.rules,
    )


async def until_somebody_waits(query: Query, schema: str) -> None:
    """Returns when a statement of this schema waits for a lock."""
    await until(
        query,
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1",
        f"%{schema}%",
    )


async def states(store: PostgresStore, jobs: list[NewJob]) -> set[State]:
    [page] = await store.scan([JobQuery(ids=tuple(each.id for each in jobs), limit=1000)])
    return {each.state for each in page.jobs}


async def promoted(store: PostgresStore, jobs: list[NewJob]) -> set[State]:
    """The states of the jobs, once none of them is blocked."""
    async with asyncio.timeout(20):
        while State.BLOCKED in (found := await states(store, jobs)):
            await store.promote(100)
    return found


async def test_no_child_is_forgotten_that_comes_while_its_parent_is_claimed_and_ends(
    stores: list[PostgresStore],
) -> None:
    children: list[NewJob] = []
    shuffler = random.Random(7)

    async def dawdle(store: PostgresStore) -> None:
        """For as long as some journeys take."""
        for _ in range(shuffler.randrange(4)):
            await store.count(["rest"])

    for number in range(ROUNDS):
        parents = [job(queue=queue, rules=limited(number)) for queue in QUEUES]
        await stores[0].insert(parents)

        async def adds(store: PostgresStore, parents: list[NewJob] = parents, number: int = number) -> None:
            await dawdle(store)
            come = [
                job(*parents, rules=limited(number)),
                job(parents[0], queue="rest"),
                job(parents[1], queue="rest"),
            ]
            children.extend(come)
            await store.insert(come)

        async def works(store: PostgresStore, queue: str) -> None:
            await dawdle(store)
            running = await claim(store, queue)
            await store.settle([end(each) for each in running if each.queue == queue])

        await asyncio.gather(
            adds(stores[0]), adds(stores[1]), works(stores[2], QUEUES[0]), works(stores[3], QUEUES[1])
        )
    for queue in QUEUES:  # children of the kind that were claimed as parents, and parents that were missed
        while running := await claim(stores[0], queue):
            await stores[0].settle([end(each) for each in running])
    assert len(children) == ROUNDS * 6
    assert State.BLOCKED not in await promoted(stores[0], children)


async def test_no_child_stays_blocked_that_is_cancelled_while_its_parents_end(
    stores: list[PostgresStore],
) -> None:
    for _ in range(ROUNDS // 2):
        parents = [job(), job()]
        come = [job(*parents, queue="rest") for _ in range(5)]
        await stores[0].insert([*parents, *come])
        running = await claim(stores[0])
        await asyncio.gather(
            stores[1].settle([end(running[0])]),
            stores[2].settle([end(running[1])]),
            stores[3].change([Cancel(where=JobQuery(ids=tuple(each.id for each in come[:2])))]),
        )
        assert await states(stores[0], come) <= {State.PENDING, State.CANCELLED}


async def test_a_parent_that_ends_in_an_applications_transaction_tells_after_the_commit(
    postgres: ServerLike, stores: list[PostgresStore]
) -> None:
    parent = job()
    early, late = job(parent, queue="rest"), job(parent, queue="rest")
    await stores[0].insert([parent, early])
    [running] = await claim(stores[0])
    connection = await asyncpg.connect(postgres.url)
    async with connection.transaction():
        await stores[0].within(connection).settle([end(running)])
        await stores[1].insert([late])
        await stores[1].promote(100)
        assert await states(stores[0], [early, late]) == {State.BLOCKED}
    await connection.close()
    assert await promoted(stores[1], [early, late]) == {State.PENDING}


async def test_a_child_that_comes_in_an_applications_transaction_holds_nobody_up(
    postgres: ServerLike, stores: list[PostgresStore]
) -> None:
    parents = [job(), job()]
    waiting, alone = job(*parents, queue="rest"), job(job(), queue="rest")
    await stores[0].insert(parents)
    running = await claim(stores[0])
    connection = await asyncpg.connect(postgres.url)
    async with connection.transaction():
        await stores[0].within(connection).insert([waiting, alone])
        await stores[1].settle([end(running[0])])
    await connection.close()
    await stores[1].promote(100)
    assert await states(stores[0], [waiting, alone]) == {State.BLOCKED}
    await stores[1].settle([end(running[1])])
    assert await promoted(stores[1], [waiting]) == {State.PENDING}
    assert await states(stores[0], [alone]) == {State.BLOCKED}


async def test_a_parent_keeps_its_children_wherever_it_waits(stores: list[PostgresStore]) -> None:
    parent = job(rules=limited(0))
    await stores[0].insert([parent, job(parent, queue="rest")])
    for verdict in (retry_after(0), RELEASED):
        [running] = await claim(stores[0])
        await stores[0].settle(
            [
                Settlement(
                    id=running.id,
                    queue="mail",
                    session=SESSION,
                    fence=running.fence,
                    verdict=verdict,
                    rules=running.rules,
                )
            ]
        )
        await stores[0].promote(100)
    late = job(parent, queue="rest")
    await stores[0].insert([late])
    [running] = await claim(stores[0])
    await stores[0].settle([end(running)])
    assert await states(stores[0], [late]) == {State.PENDING}


async def test_a_parent_with_more_children_than_are_told_at_once_tells_them_all(
    stores: list[PostgresStore],
) -> None:
    parent = job()
    come = [job(parent, queue="rest") for _ in range(2500)]
    await stores[0].insert([parent, *come])
    [running] = await claim(stores[0])
    await stores[0].settle([end(running)])
    assert await states(stores[0], come[:1]) == {State.PENDING}
    while (await stores[0].promote(100)).more:
        pass
    assert (await stores[0].count(["rest"]))[0].states[State.PENDING] == len(come)


async def test_parents_with_many_children_tell_them_in_statements_of_fewer_parents(
    stores: list[PostgresStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3.7: four parents have more edges than one statement takes, two have not: that takes seven, and nobody waits."""
    monkeypatch.setattr(propagating, "MET_AT_ONCE", 10)
    monkeypatch.setattr(propagating, "PARENTS_AT_ONCE", (4, 2, 1))
    parents = [job() for _ in range(12)]
    come = [job(parent, queue="rest") for parent in parents for _ in range(4)]
    await stores[0].insert([*parents, *come])
    running = await claim(stores[0])
    before = stores[0].round_trips
    await stores[0].settle([end(each) for each in running])
    assert stores[0].round_trips - before == 1 + 7 * 4
    assert [each.id for each in await claim(stores[0], "rest")] == [each.id for each in come]


async def test_a_parent_with_more_children_than_one_statement_takes_tells_them_all_the_same(
    stores: list[PostgresStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(propagating, "MET_AT_ONCE", 3)
    parents = [job() for _ in range(2)]
    come = [job(parent) for parent in parents for _ in range(4)]
    await stores[0].insert([*parents, *come])
    await stores[0].settle([end(each) for each in await claim(stores[0])])
    assert await states(stores[0], come) == {State.PENDING}


async def test_a_child_whose_row_is_changed_while_its_parent_tells_is_told_all_the_same(
    stores: list[PostgresStore], postgres: ServerLike, schema: str, query: Query
) -> None:
    """S3.7: an update puts a new row in the place of the one for which whoever tells is waiting."""
    parent = job()
    child = job(parent)
    await stores[0].insert([parent, child])
    [running] = await claim(stores[0])
    application = await asyncpg.connect(postgres.url)
    [[held]] = await query(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables "
        "WHERE schemaname = $1 AND tablename LIKE '%held'",
        schema,
    )
    async with asyncio.timeout(60), application.transaction():
        await application.execute(
            f"WITH old AS (DELETE FROM {held} WHERE id = '{child.id.hex()}' RETURNING *) "
            f"INSERT INTO {held} SELECT * FROM old"
        )
        settling = asyncio.create_task(stores[1].settle([end(running)]))
        await until_somebody_waits(query, schema)
    await settling
    await application.close()
    assert await promoted(stores[0], [child]) == {State.PENDING}


async def test_a_child_that_is_updated_while_somebody_promotes_is_told_all_the_same(
    stores: list[PostgresStore], postgres: ServerLike, schema: str, query: Query
) -> None:
    """S3.7: whoever ended the parent died before it told its children, and whoever promotes meets the update."""
    parent = job()
    child = job(parent)
    await stores[0].insert([parent, child])
    [running] = await claim(stores[0])
    dialect = stores[0]._dialect
    await stores[0]._links.run(
        Lane.SETTLE, lambda connection: settling.settle(connection, dialect, [(0, end(running))], None)
    )
    application = await asyncpg.connect(postgres.url)
    update = Update(where=JobQuery(ids=(child.id,)), changes=Changes(priority=2))
    async with asyncio.timeout(60), application.transaction():
        [changed] = await editing.change(application, dialect, [update], None)
        assert changed.ids == (child.id,)
        promoting = asyncio.create_task(stores[1].promote(100))
        await until_somebody_waits(query, schema)
    await promoting
    await application.close()
    assert await promoted(stores[0], [child]) == {State.PENDING}
    [page] = await stores[0].scan([JobQuery(ids=(child.id,))])
    assert page.jobs[0].priority == 2
