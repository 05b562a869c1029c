"""Child processes as processes: how they start, crash, are killed and leave."""

import asyncio
import os
import random
import select
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from longshore.core.attempt_errors import AttemptError, TaskRaised, WorkerCrashed
from longshore.worker.runners.processes import ProcessRunner
from tests.unit.worker.runners import tasks
from tests.unit.worker.runners.errands import Awaited, run


@pytest.fixture
async def runner() -> AsyncIterator[ProcessRunner]:
    runner = ProcessRunner(1, random=random.Random(1))
    yield runner
    await runner.close()


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """A named pipe: opening it waits for the other side, and its end says that all writers are gone."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


def named(path: Path) -> bytes:
    """The data of a task that takes a path."""
    return b'{"path": "%s"}' % os.fsencode(path)


# ------------------------------------------------------------------------------------------- crashes and kills


@pytest.mark.parametrize(
    ("function", "how"),
    [
        (tasks.leave_at_once, "exit code 7"),
        (tasks.read_address_zero, r"signal 11 \(Segmentation fault\)"),
        (tasks.kill_yourself, r"signal 9 \(Killed\); the kernel's out-of-memory killer, perhaps"),
    ],
)
async def test_a_child_that_dies_is_a_crash_of_its_own_attempt_and_is_replaced(runner, function, how):
    with pytest.raises(WorkerCrashed, match=how):
        await run(runner, function)
    assert await run(runner, tasks.add, b'{"a": 1}') == b"11"


async def test_other_children_are_unharmed_by_a_crash(pipe):
    runner = ProcessRunner(2, random=random.Random(1))
    steady = Awaited(tasks.block, named(pipe))
    runner.submit(steady)
    with await asyncio.to_thread(pipe.open) as reader:
        reader.readline()
    with pytest.raises(WorkerCrashed):
        await run(runner, tasks.leave_at_once)
    assert not steady.outcome.done()
    await runner.close()


async def test_a_crash_is_seen_although_an_offspring_holds_the_line_open_and_ends_that_too(runner, pipe):
    errand = Awaited(tasks.leave_with_forked_offspring, named(pipe))
    runner.submit(errand)
    with await asyncio.to_thread(pipe.open) as reader:
        with pytest.raises(WorkerCrashed, match="exit code 7"):
            await errand.outcome
        assert await asyncio.to_thread(reader.read) == ""


async def test_a_fork_that_comes_back_from_a_task_does_not_answer_for_the_next_one(runner):
    assert await run(runner, tasks.fork_and_return) == b'"parent"'
    assert await run(runner, tasks.add, b'{"a": 1}') == b"11"


async def test_a_cancelled_errand_dies_with_its_child_and_all_that_it_started(runner, pipe):
    errand = Awaited(tasks.block_with_offspring, named(pipe))
    runner.submit(errand)
    with await asyncio.to_thread(pipe.open) as reader:
        reader.readline()
        runner.cancel(errand)
        with pytest.raises(WorkerCrashed, match=r"signal 9 \(Killed\)\.$"):
            await errand.outcome
        assert await asyncio.to_thread(reader.read) == ""
    assert await run(runner, tasks.add, b'{"a": 1}') == b"11"


async def test_an_abandoned_errand_is_killed_in_silence_and_its_place_is_free(runner, pipe):
    errand = Awaited(tasks.block, named(pipe))
    runner.submit(errand)
    with await asyncio.to_thread(pipe.open) as reader:
        child = int(reader.readline())
    runner.abandon(errand)
    assert int(await run(runner, tasks.pid)) != child
    assert errand.done_count == 0


async def test_an_errand_that_waits_is_cancelled_or_abandoned_without_a_child(runner, pipe):
    runner.submit(Awaited(tasks.block, named(pipe)))
    cancelled, abandoned = Awaited(tasks.nothing), Awaited(tasks.nothing)
    runner.submit(cancelled)
    runner.submit(abandoned)
    runner.cancel(cancelled)
    runner.abandon(abandoned)
    assert cancelled.outcome.cancelled()
    assert abandoned.done_count == 0


async def test_a_child_that_dies_idle_harms_no_errand(runner):
    child = int(await run(runner, tasks.pid))
    os.kill(child, signal.SIGKILL)
    assert int(await run(runner, tasks.pid)) != child


async def test_children_outlive_signals_that_are_meant_for_their_worker(runner):
    assert await run(runner, tasks.survive_the_workers_signals) == b'"still here"'


async def test_programs_that_a_task_starts_take_signals_as_usual(runner):
    assert await run(runner, tasks.what_a_program_inherits) == b'"False"'


# ----------------------------------------------------------------------------------------------- starting, ending


async def test_children_start_with_the_first_errand_and_are_kept(runner):
    assert runner._shares == {}
    assert await run(runner, tasks.pid) == await run(runner, tasks.pid)


async def test_at_most_count_children_run_at_once():
    runner = ProcessRunner(2, random=random.Random(1))
    errands = [Awaited(tasks.pid) for _ in range(20)]
    for errand in errands:
        runner.submit(errand)
    assert len({await errand.outcome for errand in errands}) <= 2
    await runner.close()


async def test_a_child_leaves_after_its_share_of_errands():
    runner = ProcessRunner(1, random=random.Random(1), errands_per_child=2)
    children = [await run(runner, tasks.pid) for _ in range(4)]
    assert children[0] == children[1] != children[2] == children[3]
    await runner.close()


async def test_a_child_that_holds_too_much_memory_leaves():
    runner = ProcessRunner(1, random=random.Random(1), size_limit_bytes=150_000_000)
    slim = await run(runner, tasks.hold_memory, b'{"size_bytes": 1}')
    assert await run(runner, tasks.hold_memory, b'{"size_bytes": 200000000}') == slim
    assert await run(runner, tasks.hold_memory, b'{"size_bytes": 1}') != slim
    await runner.close()


async def test_a_target_that_cannot_be_imported_fails_its_attempt_and_says_why(runner):
    with pytest.raises(TaskRaised) as caught:
        await run(runner, tasks.nothing, target="no_such_module:task")
    assert caught.value.type == "ModuleNotFoundError"
    with pytest.raises(TaskRaised, match=r"cannot find 'Gone\.task'.*defined at the top of a module"):
        await run(runner, tasks.nothing, target=f"{tasks.__name__}:Gone.task")


async def test_a_child_that_cannot_start_fails_its_attempt_and_says_so(runner, monkeypatch, tmp_path):
    broken = tmp_path / "sitecustomize.py"
    broken.write_text("import os; os._exit(9)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(AttemptError, match=r"task 'task' could not start: exit code 9\. What it printed"):
        await run(runner, tasks.nothing)
    monkeypatch.delenv("PYTHONPATH")
    assert await run(runner, tasks.nothing) is None


async def test_closing_ends_all_children_busy_or_idle(pipe):
    runner = ProcessRunner(2, random=random.Random(1))
    busy = Awaited(tasks.block, named(pipe))
    runner.submit(busy)
    with await asyncio.to_thread(pipe.open) as reader:
        children = [int(reader.readline())]
    children.append(int(await run(runner, tasks.pid)))
    await runner.close()
    for child in children:
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)
    assert busy.done_count == 0


SCRIPT = """
    import asyncio, os, random, sys
    from longshore.worker.runners.processes import ProcessRunner
    from tests.unit.worker.runners.errands import Awaited
    from tests.unit.worker.runners.tasks import block

    def here() -> str:
        return __name__

    async def main() -> None:
        runner = ProcessRunner(1, random=random.Random(1))
        errand = Awaited(here)
        runner.submit(errand)
        print(errand.handler.target, await errand.outcome, flush=True)
        await runner.close()

    async def die() -> None:
        runner = ProcessRunner(1, random=random.Random(1))
        runner.submit(Awaited(block, b'{"path": "%s"}' % os.fsencode(sys.argv[1])))
        await asyncio.Event().wait()

    if __name__ == "__main__":
        asyncio.run(main() if len(sys.argv) == 1 else die())
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent(SCRIPT))
    return path


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))


def test_a_task_defined_in_the_script_itself_is_found(script, environment):
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout == "__main__:here b'\"__mp_main__\"'\n"


UNGUARDED = """
    import asyncio
    from longshore import QueueManager, Retry

    manager = QueueManager("memory://")

    @manager.task(queue="cpu", process=True, retry=Retry(1))
    def here() -> None: ...

    async def main() -> None:
        job = await here.enqueue()
        await manager.run_until_empty()
        await job.refresh()
        print(job.state, job.error_message)
        await manager.shutdown()

    asyncio.run(main())
"""


def test_a_script_without_a_guard_is_told_so_and_starts_no_worker_in_its_children(tmp_path, environment):
    script = tmp_path / "unguarded.py"
    script.write_text(textwrap.dedent(UNGUARDED))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("failed AttemptError: The child process for task 'here' could not start")
    assert "Put what it does under `if __name__ == '__main__':`" in done.stderr
    assert done.stderr.count("this script starts a worker when it is imported") == 1


def test_children_do_not_outlive_a_worker_that_is_killed(script, environment, pipe):
    worker = subprocess.Popen([sys.executable, script, str(pipe)])
    with pipe.open() as reader:
        child = int(reader.readline())
    watched = os.pidfd_open(child)
    worker.kill()
    worker.wait()
    assert select.select([watched], [], [], 5)[0] == [watched]
    os.close(watched)
