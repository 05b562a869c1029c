"""This module tests the filters of `scan`, each alone and together; `paging` has orders, cursors and limits."""

import msgspec
import pytest

from longshore.core.ids import JobId, new_id
from longshore.core.job import JobRecord
from longshore.core.states import State
from longshore.core.verdict import BURIED, crashed, retry_after
from longshore.store.commands import JobQuery
from longshore.store.contract import Store
from longshore.store.replies import Page
from longshore.testing.conformance.every_state import one_in_every_state
from longshore.testing.conformance.jobs import NOW, SECOND, SESSION, new_job, new_jobs, note, only, settlement
from longshore.testing.conformance.steps import add, claim, edit, find, finish, ids, look, start


async def found(store: Store, query: JobQuery) -> set[JobId]:
    """The ids of what a query finds."""
    return set(ids(await find(store, query)))


async def test_an_empty_list_is_answered_by_an_empty_list(store: Store) -> None:
    assert await store.scan([], now_ms=NOW) == []


async def test_an_empty_store_has_one_empty_page(store: Store) -> None:
    assert await find(store, JobQuery()) == []


async def test_pages_stand_in_the_order_of_the_queries(store: Store) -> None:
    first, second = await add(store, 2)
    queries = [
        only(second),
        only(new_id()),
        only(first),
        only(first, second),
        JobQuery(states=(State.FAILED,)),
    ]
    pages = await store.scan(queries, now_ms=NOW)
    assert [set(ids(page.jobs)) for page in pages] == [{second}, set(), {first}, {first, second}, set()]


async def test_a_query_without_filters_finds_every_job(store: Store) -> None:
    by_state = await one_in_every_state(store)
    [elsewhere] = await add(store, queue="reports")
    assert await found(store, JobQuery()) == {*by_state.values(), elsewhere}


async def test_with_ids_other_jobs_are_never_looked_at(store: Store) -> None:
    jobs = await add(store, 5)
    assert await found(store, JobQuery(ids=(jobs[3], jobs[1], new_id(), jobs[1]))) == {jobs[1], jobs[3]}
    assert await store.scan([JobQuery(ids=())], now_ms=NOW) == [Page([], None)]


@pytest.mark.parametrize("state", [state for state in State if state not in {"blocked", "held", "skipped"}])
async def test_jobs_are_found_by_state(store: Store, state: State) -> None:
    by_state = await one_in_every_state(store)
    assert await found(store, JobQuery(states=(state,))) == {by_state[state]}
    others = tuple(other for other in State if other is not state)
    assert await found(store, JobQuery(states=others)) == set(by_state.values()) - {by_state[state]}


async def test_jobs_are_found_by_queue(store: Store) -> None:
    a, b, c = [(await add(store, 2, queue)) for queue in ("a", "b", "c")]
    assert await found(store, JobQuery(queues=("b",))) == set(b)
    assert await found(store, JobQuery(queues=("a", "c", "nowhere"))) == {*a, *c}


async def test_jobs_are_found_by_name(store: Store) -> None:
    jobs = [new_job(name=name) for name in ("send", "render", "sender")]
    await store.insert(jobs, now_ms=NOW)
    assert await found(store, JobQuery(names=("send",))) == {jobs[0].id}
    assert await found(store, JobQuery(names=("send", "render", "other"))) == {jobs[0].id, jobs[1].id}


async def test_jobs_are_found_by_all_of_several_tags(store: Store) -> None:
    both, red, blue = new_job(tags=("red", "blue")), new_job(tags=("red",)), new_job(tags=("blue", "reddish"))
    await store.insert([both, red, blue], now_ms=NOW)
    assert await found(store, JobQuery(tags=("red",))) == {both.id, red.id}
    assert await found(store, JobQuery(tags=("blue", "red"))) == {both.id}
    assert await found(store, JobQuery(tags=("redd",))) == set()


async def test_a_tag_is_found_whatever_became_of_its_job(store: Store) -> None:
    job = new_job(tags=("red",))
    await store.insert([job], now_ms=NOW)
    await finish(store, await claim(store))
    assert await found(store, JobQuery(tags=("red",), states=(State.COMPLETED,))) == {job.id}


async def test_jobs_are_found_by_reference_and_by_correlation_id(store: Store) -> None:
    job = new_job(reference="invoice:1", correlation_id="trace-1")
    other = new_job(reference="invoice:12", correlation_id="trace-12")
    await store.insert([job, other, new_job()], now_ms=NOW)
    assert await found(store, JobQuery(reference="invoice:1")) == {job.id}
    assert await found(store, JobQuery(correlation_id="trace-1")) == {job.id}
    assert await found(store, JobQuery(reference="trace-1")) == set()


async def test_jobs_are_found_by_the_session_that_holds_or_held_them(store: Store) -> None:
    mine = await start(store, 2)
    others = await start(store, 2, session="other")
    await finish(store, mine[:1])
    assert await found(store, JobQuery(session=SESSION)) == set(ids(mine))
    assert await found(store, JobQuery(session="other", states=(State.RUNNING,))) == set(ids(others))


@pytest.mark.parametrize("text", ["needle", "NEEDLE", "NeeDle"])
async def test_text_is_found_whatever_its_case_in_name_payload_details_and_error(
    store: Store, text: str
) -> None:
    fields = [
        new_job(name="a-Needle"),
        new_job(payload=b'"in a hay NEEDLE stack"'),
        new_job(details=b'{"metadata": "needlework"}'),
    ]
    failing = new_job()
    await store.insert([failing, *fields, new_job(payload=b'"need le"')], now_ms=NOW)
    [claimed] = await claim(store)
    await store.settle([settlement(claimed, BURIED, error_text="Boom: nEEDLe")], now_ms=NOW)
    assert await found(store, JobQuery(text=text)) == {failing.id, *ids(fields)}


async def test_text_that_is_not_ascii_is_found_exactly(store: Store) -> None:
    umlaut = new_job(payload='"Zürich, 東京"'.encode())
    await store.insert([umlaut, new_job(payload=b'"Zurich"')], now_ms=NOW)
    assert await found(store, JobQuery(text="ZüRICH")) == {umlaut.id}
    assert await found(store, JobQuery(text="東京")) == {umlaut.id}


@pytest.mark.parametrize(
    "text", ["%", "_", "'", '"', "\\", "*", "?", "[a]", "100%_sure", "';--", "^a$", "%s"]
)
async def test_signs_of_query_languages_stand_for_themselves(store: Store, text: str) -> None:
    plain = new_job(payload=b"xxxxaxxxx")
    marked = new_job(payload=f"before {text} after".encode())
    tagged = new_job(name="tagged", reference=text, correlation_id=text, payload=b"")
    await store.insert([plain, marked, tagged], now_ms=NOW)
    assert await found(store, JobQuery(text=text)) == {marked.id}
    assert await found(store, JobQuery(reference=text)) == {tagged.id}
    assert await found(store, JobQuery(correlation_id=text)) == {tagged.id}


async def test_a_payload_that_is_no_text_does_not_disturb_a_search(store: Store) -> None:
    jobs = [
        new_job(payload=b"\xff\xfe\x00needle"),
        new_job(payload=b"\x00\x01", details=b"needle"),
        new_job(payload=b""),
    ]
    await store.insert(jobs, now_ms=NOW)
    assert await found(store, JobQuery(text="needle")) == {jobs[0].id, jobs[1].id}


async def test_errors_are_found_exactly_as_they_are_written(store: Store) -> None:
    first, second = await start(store, 2)
    ends = [
        settlement(first, BURIED, error_text="TimeoutError: 100% of_it"),
        settlement(second, retry_after(SECOND), error_text="timeouterror: 1000 of it"),
    ]
    await store.settle(ends, now_ms=NOW)
    assert await found(store, JobQuery(error="TimeoutError")) == {first.id}
    assert await found(store, JobQuery(error="100% of_it")) == {first.id}
    assert await found(store, JobQuery(error="imeout")) == {first.id, second.id}


async def test_jobs_are_found_by_the_time_before_which_they_ended(store: Store) -> None:
    jobs = await start(store, 3)
    for number, job in enumerate(jobs):
        await finish(store, [job], now_ms=NOW + number * SECOND)
    await start(store)
    assert await found(store, JobQuery(finished_before_ms=NOW + SECOND)) == {jobs[0].id}
    assert await found(store, JobQuery(finished_before_ms=NOW + 9 * SECOND)) == set(ids(jobs))


FILTERS = JobQuery(
    states=(State.FAILED,),
    queues=("mail",),
    names=("send",),
    tags=("red",),
    reference="r",
    correlation_id="c",
    session=SESSION,
    payload=b'"needle"',
    text="NEEDLE",
    error="Boom",
    finished_before_ms=NOW + 5 * SECOND,
)
OTHERS = JobQuery(
    states=(State.COMPLETED,),
    queues=("reports",),
    names=("render",),
    tags=("blue",),
    reference="x",
    correlation_id="x",
    session="x",
    payload=b'"needles"',
    text="xxxx",
    error="boom",
    finished_before_ms=NOW,
)


@pytest.mark.parametrize(
    "misfit",
    [
        "nothing",
        *[name for name in FILTERS.__struct_fields__ if getattr(OTHERS, name) != getattr(FILTERS, name)],
    ],
)
async def test_every_filter_must_hold(store: Store, misfit: str) -> None:
    job = new_job(payload=b'"needle"', tags=("red", "round"), reference="r", correlation_id="c")
    await store.insert([job], now_ms=NOW)
    await add(store, 3)
    [claimed] = await claim(store)
    await store.settle([settlement(claimed, BURIED, error_text="Boom")], now_ms=NOW)
    query = (
        FILTERS
        if misfit == "nothing"
        else msgspec.structs.replace(FILTERS, **{misfit: getattr(OTHERS, misfit)})
    )
    expected = {job.id} if misfit == "nothing" else set()
    assert await found(store, query) == expected
    assert await found(store, msgspec.structs.replace(query, ids=(job.id,))) == expected


async def test_errors_and_logs_are_read_only_when_asked_for(store: Store) -> None:
    [job] = await start(store)
    await edit(store, note(job, logs=(b"line",)))
    await store.settle([settlement(job, crashed(0), error=b"e", error_text="E")], now_ms=NOW)
    [brief] = await find(store, JobQuery(ids=(job.id,)))
    assert (brief.errors, brief.logs, brief.error_text) == ((), (), "E")
    full = await look(store, job.id)
    assert (full.errors, full.logs) == ((b"e",), (b"line",))


async def test_a_job_is_read_with_all_that_happened_to_it(store: Store) -> None:
    job = new_job(name="render", payload=b"[1]", priority=2, max_attempts=4, details=b"{}")
    await store.insert([job], now_ms=NOW)
    [first] = await claim(store, now_ms=NOW + 1)
    await store.settle([settlement(first, crashed(0), error=b"e", error_text="E")], now_ms=NOW + 2)
    [second] = await claim(store, session="other", now_ms=NOW + 3)
    await edit(store, note(second, progress=0.5, progress_note="half", logs=(b"line",)), now_ms=NOW + 4)
    await store.settle([settlement(second, result=b"[2]")], now_ms=NOW + 5)
    assert await look(store, job.id) == JobRecord(
        id=job.id,
        queue="mail",
        name="render",
        payload=b"[1]",
        state=State.COMPLETED,
        priority=2,
        max_attempts=4,
        fence=2,
        crashes=1,
        session="other",
        created_ms=NOW,
        details=b"{}",
        started_ms=NOW + 3,
        finished_ms=NOW + 5,
        updated_ms=NOW + 5,
        result=b"[2]",
        error_text="E",
        progress=0.5,
        progress_note="half",
        errors=(b"e",),
        logs=(b"line",),
    )


async def test_a_hundred_queries_are_answered_in_one_call(store: Store) -> None:
    jobs = new_jobs(100)
    await store.insert(jobs, now_ms=NOW)
    pages = await store.scan([only(job.id) for job in jobs], now_ms=NOW)
    assert [ids(page.jobs) for page in pages] == [[job.id] for job in jobs]
