"""Jobs as bytes: what Python packs, scripts read, and the other way round."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.backends.redis import rows
from longshore.backends.redis.links import Links, Script
from longshore.backends.redis.packing import pack
from longshore.backends.redis.scripts import verb
from longshore.backends.redis.url import read_url
from longshore.core.clock import SystemClock
from longshore.core.ids import new_id
from longshore.core.job import JobRecord, NewJob
from longshore.core.states import State
from servers import running

texts = st.text(max_size=20)


@pytest.fixture
async def links():
    links = Links(read_url(f"{running.redis().url}?prefix={uuid.uuid4().hex}"), SystemClock())
    await links.open()
    yield links
    await links.close()


def adopted(**fields) -> JobRecord:
    """A job that has been through something."""
    told = {
        "id": new_id(),
        "queue": "mail",
        "name": "send",
        "payload": b"{}",
        "state": State.FAILED,
        "priority": 3,
        "fence": 4,
        "failures": 2,
        "crashes": 1,
        "releases": 1,
        "session": "worker-1",
        "created_ms": 1_700_000_000_000,
        "started_ms": 1_700_000_000_001,
        "finished_ms": 1_700_000_000_002,
        "updated_ms": 1_700_000_000_003,
    }
    return JobRecord(**told | fields)


@given(
    payload=st.binary(max_size=50),
    details=st.none() | st.binary(max_size=20),
    max_attempts=st.none() | st.integers(0, 2**31 - 1),
    result=st.none() | st.binary(max_size=20),
    error_text=st.none() | texts,
    progress=st.none() | st.floats(0, 1),
    note=st.none() | texts,
    words=st.binary(max_size=20),
)
def test_a_job_comes_back_as_it_was_packed(
    payload, details, max_attempts, result, error_text, progress, note, words
):
    job = adopted(
        payload=payload,
        details=details,
        max_attempts=max_attempts,
        result=result,
        error_text=error_text,
        progress=progress,
        progress_note=note,
    )
    extras = rows.packed_extras(job)
    row = (job.id, rows.packed_body(job, words), rows.packed_record(job), b"", extras, b"", b"")
    assert rows.scanned_job("mail", row) == job


@given(st.lists(st.binary(max_size=30), max_size=10))
def test_lines_come_back_as_they_were_packed(texts):
    assert rows.lines(rows.packed_lines(texts)) == tuple(texts)


def test_an_item_says_when_a_job_is_due():
    def time_of(**fields):
        job = NewJob(id=new_id(), queue="mail", name="send", payload=b"", **fields)
        return rows.NEW.unpack_from(rows.item(job))[1]

    assert time_of() == 0
    assert time_of(delay_ms=5) == -5
    assert time_of(run_ms=9, delay_ms=5) == 9
    assert time_of(run_ms=-1) == 0


def test_a_waiting_job_adds_28_bytes_to_its_name_and_payload():
    job = NewJob(id=new_id(), queue="mail", name="send", payload=b"x" * 120)
    kept_by_the_script = 14
    assert len(rows.item(job)) - 16 - 8 + kept_by_the_script == 28 + len("send") + 120


async def test_the_script_reads_and_writes_records_as_python_does(links):
    text = verb("settle").script.text
    parts = text[: text.index("local ELSEWHERE")]
    script = Script("same", parts + "return write_record(read_record(ARGV[3]))")
    record = rows.packed_record(adopted(result=b"\x00\xff"))
    assert await links.call(script, [b"k"] * 40, [1, b"c", record]) == record


@given(
    st.dictionaries(
        st.sampled_from("abcdef"),
        st.booleans() | st.integers(-(2**50), 2**50) | st.binary(max_size=300) | st.lists(st.binary()),
        max_size=4,
    )
)
def test_packed_maps_are_messagepack(value):
    import msgspec

    def raw(each):
        return (
            [part.hex() for part in each]
            if isinstance(each, list)
            else each.hex()
            if isinstance(each, bytes)
            else each
        )

    hexed = {name: raw(each) for name, each in value.items()}
    assert msgspec.msgpack.decode(pack(hexed)) == hexed


async def test_a_server_reads_packed_maps_byte_for_byte(links):
    script = Script(
        "read",
        "local m = cmsgpack.unpack(ARGV[1]) return {m.bytes, m.list[2], tostring(m.yes), m.no or 'nil'}",
    )
    words = pack({"bytes": bytes(range(256)), "list": [b"a", b"b\x00"], "yes": True})
    assert await links.call(script, [], [words]) == [bytes(range(256)), b"b\x00", b"true", b"nil"]
