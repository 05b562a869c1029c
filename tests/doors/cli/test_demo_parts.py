"""The demo's parts: what is counted, and a report that cannot be talked out of a difference."""

from pathlib import Path

import pytest

from longshore.backends import open_store
from longshore.cli.demo.counting import FileCount, Recount, count, find_files, recount, total
from longshore.cli.demo.observing import busiest_worker, held_by, standing
from longshore.cli.demo.report import compare, show, succeeded
from longshore.cli.demo.run import Kill, Story
from longshore.core.ids import new_id
from longshore.core.job import JobRecord, NewJob
from longshore.core.payload import encode
from longshore.core.states import State
from longshore.store.commands import ClaimAsk, Lease


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "pkg" / "__pycache__").mkdir(parents=True)
    (tmp_path / "pkg" / "a.py").write_text("x = 1\ny = 2\n")
    (tmp_path / "b.py").write_text("print('hello')\n")
    (tmp_path / "bad.py").write_bytes(b"# coding: utf-8\nx = '\xff'\n")
    (tmp_path / "pkg" / "__pycache__" / "c.py").write_text("")
    (tmp_path / "notes.txt").write_text("")
    return tmp_path


def test_every_source_file_below_the_folder_is_found_and_nothing_else(tree: Path):
    assert [path.relative_to(tree).as_posix() for path in find_files(tree)] == ["b.py", "bad.py", "pkg/a.py"]


def test_a_file_is_counted_in_lines_tokens_and_bytes(tree: Path):
    counted = count(tree / "b.py")
    assert (counted.size_bytes, counted.lines) == (15, 2)
    assert counted.tokens == 7


def test_the_recount_tells_which_files_cannot_be_read(tree: Path):
    told: list[int] = []
    plain = recount(find_files(tree), told.append)
    assert told == [1, 2, 3]
    assert set(plain.counts) == {str(tree / "b.py"), str(tree / "pkg" / "a.py")}
    assert "UnicodeDecodeError" in plain.unreadable[str(tree / "bad.py")]


def test_totals_differ_when_any_byte_differs():
    one = FileCount(1, 1, 1, "aa")
    assert total({"x": one, "y": one}) == total({"y": one, "x": one})
    assert total({"x": one}).sha256 != total({"y": one}).sha256
    assert total({"x": one}).sha256 != total({"x": FileCount(1, 1, 1, "ab")}).sha256


def record(path: str, state: State, **more: object) -> JobRecord:
    payload = encode({"path": path}, what="count-file")
    values = {"priority": 3, "result": None, **more}
    return JobRecord(
        id=new_id(),
        queue="files",
        name="count-file",
        payload=payload,
        state=state,
        **values,  # type: ignore[arg-type]
    )


ONE = FileCount(10, 2, 5, "aa")
DONE = encode(ONE, what="result")
PATHS = [Path("/x/a.py"), Path("/x/bad.py")]
PLAIN = Recount({"/x/a.py": ONE}, {"/x/bad.py": "SyntaxError: bad"})


def story(*jobs: JobRecord, kill: Kill | None = None) -> Story:
    return Story(jobs=list(jobs), seconds=2.0, kill=kill)


def test_a_story_that_comes_to_the_recount_succeeds():
    jobs = (
        record("/x/a.py", State.COMPLETED, result=DONE, crashes=1),
        record("/x/bad.py", State.FAILED, failures=3, error_text="SyntaxError: bad"),
    )
    report = compare(PATHS, story(*jobs), PLAIN, recount_seconds=1.0)
    assert succeeded(report)
    assert (report.done, report.lost, report.run_twice, report.retried, report.dead) == (1, 0, 1, 1, 1)
    assert report.dead_letters == {"/x/bad.py": "SyntaxError: bad"}


@pytest.mark.parametrize(
    "jobs",
    [
        (record("/x/a.py", State.COMPLETED, result=DONE),),
        (record("/x/a.py", State.COMPLETED, result=DONE), record("/x/bad.py", State.RUNNING)),
        (
            record("/x/a.py", State.COMPLETED, result=encode(FileCount(10, 2, 6, "aa"), what="r")),
            record("/x/bad.py", State.FAILED),
        ),
        (record("/x/a.py", State.FAILED), record("/x/bad.py", State.FAILED)),
    ],
    ids=["a job is gone", "a job never ended", "a count differs", "a good file is dead"],
)
def test_a_story_with_anything_wrong_does_not_succeed(
    jobs: tuple[JobRecord, ...], capsys: pytest.CaptureFixture[str]
):
    report = compare(PATHS, story(*jobs), PLAIN, recount_seconds=1.0)
    assert not succeeded(report)
    show(report, folder=Path("/x"))
    assert "They do NOT agree, or jobs are lost." in capsys.readouterr().out


async def test_the_worker_that_holds_most_is_seen_from_outside():
    store = open_store("memory://")
    await store.open()
    jobs = [NewJob(id=new_id(), queue="files", name="count-file", payload=b'{"path": "x"}') for _ in range(5)]
    await store.insert(jobs)
    for session, wanted in (("host:11:aaaaaaaa", 1), ("host:22:bbbbbbbb", 3)):
        await store.extend([Lease(session=session, lease_ms=30_000, queues=("files",), opens=True)])
        await store.claim([ClaimAsk("files", wanted, session)])
    found = await busiest_worker(store)
    assert found is not None
    assert (found.session, found.pid, len(found.jobs)) == ("host:22:bbbbbbbb", 22, 3)
    assert len((await held_by(store, "host:11:aaaaaaaa")).jobs) == 1
    assert await standing(store) == (0, 0, 5)
    await store.close()
