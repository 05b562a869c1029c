"""Which function runs a job."""

import pytest

from longshore.core.errors import InvalidTask
from longshore.engine.policy import Policy
from longshore.worker.registry import Handler, Registry


def handler(name, queue=None):
    return Handler(name=name, queue=queue, function=lambda job: None)


def test_the_queues_task_comes_first_then_the_name_then_the_queues_processor():
    registry = Registry()
    task, other, processor = handler("t", "q"), handler("h"), handler("q", "q")
    registry.add_task(task)
    registry.add_handler(other)
    registry.add_processor(processor)
    assert registry.find("q", "t") is task
    assert registry.find("elsewhere", "t") is task
    assert registry.find("anywhere", "h") is other
    assert registry.find("q", "unheard-of") is processor
    assert registry.find("elsewhere", "unheard-of") is None
    assert (registry.names(), registry.queues()) == (["h", "t"], ["q"])


def test_two_queues_may_have_tasks_of_one_name():
    registry = Registry()
    first, second = handler("t", "a"), handler("t", "b")
    registry.add_task(first)
    registry.add_task(second)
    assert registry.find("a", "t") is first
    assert registry.find("b", "t") is second


@pytest.mark.parametrize("add", ["add_task", "add_handler", "add_processor"])
def test_a_name_that_is_taken_is_refused_with_the_way_out(add):
    registry = Registry()
    twice = handler("t", None if add == "add_handler" else "q")
    getattr(registry, add)(twice)
    with pytest.raises(InvalidTask, match=r"pass name=|register it once"):
        getattr(registry, add)(twice)


@pytest.mark.parametrize("add", ["add_task", "add_handler", "add_processor"])
def test_a_function_that_is_defined_again_takes_its_own_place(add):
    registry, queue = Registry(), None if add == "add_handler" else "q"
    older, newer = (
        Handler(name="t", queue=queue, function=lambda job: None, target="cells:t") for _ in range(2)
    )
    told_another_policy = Handler(
        name="t", queue=queue, function=newer.function, policy=Policy(max_crashes=9)
    )
    for handler in (older, newer, told_another_policy):
        getattr(registry, add)(handler)
        assert registry.find("q", "t") is handler


def test_a_task_or_a_processor_without_a_queue_is_refused():
    for add in (Registry().add_task, Registry().add_processor):
        with pytest.raises(InvalidTask, match="queue"):
            add(handler("t"))
