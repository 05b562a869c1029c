"""What queues, tasks and jobs are told about limits, and the rules that their jobs carry."""

import pytest

from longshore import BaseQueue, Concurrency, InvalidOption, QueueManager, Rate, Unique
from longshore.core.rules import FairKey, FlowKey, LimitKind
from longshore.manager.planning import plan

ONE_KEY = ("key", "a@b", 1, 1)


def flow_of(rules):
    return [(key.rule, key.key, key.limit, key.cost) for key in rules.flow]


def planned(manager, queue, name, payload, **words):
    return plan(manager.runtime, queue, name, words).one(payload).rules


@pytest.fixture
def manager():
    return QueueManager("memory://")


def test_limits_of_queue_task_and_key_compose_and_see_defaults(manager):
    """B.6, S1.6"""
    queue = manager.queue(
        "mail", rate_limit={"max": 100, "duration": 60_000}, limit=Concurrency(2, by="tenant")
    )

    @queue.task(limit=[Concurrency(5), Rate(9, per=1, cost="size")], concurrency_key="to")
    async def send(to: str, tenant: str = "none", size: int = 1): ...

    rules = planned(manager, "mail", "send", b'{"to":"a@b","size":4}')
    limits = [
        ("rate", "", 100, 1),
        ("concurrency", "none", 2, 1),
        ("send/concurrency", "", 5, 1),
        ("send/rate", "", 9, 4),
    ]
    assert flow_of(rules) == [*limits, ONE_KEY]


def test_the_limits_of_a_job_take_the_place_of_its_tasks_and_those_of_the_queue_stay(manager):
    queue = manager.queue("mail", rate_limit="100/m")

    @queue.task(limit=Concurrency(5), concurrency_key="to")
    async def send(to: str): ...

    own = planned(
        manager, "mail", "send", b'{"to":"x"}', limit=Concurrency(1, by="to"), concurrency_key="a@b"
    )
    assert flow_of(own) == [("rate", "", 100, 1), ("send/concurrency", "x", 1, 1), ONE_KEY]
    with pytest.raises(InvalidOption, match="perhaps 'to'"):
        send.options(limit=Concurrency(1, by="too"))
    with pytest.raises(InvalidOption, match="no two jobs with the same one"):
        send.options(concurrency_key=7)._planned().one(b"{}")


def test_two_limits_of_a_kind_are_told_apart_by_place_or_name(manager):
    manager.queue("api", limit=[Rate(10, per=1), Rate(100, per=60), Concurrency(3, name="gpu")])
    rules = planned(manager, "api", "anything", b"{}")
    assert [key.rule for key in rules.flow] == ["rate", "rate-2", "gpu"]
    with pytest.raises(InvalidOption, match="names of their own"):
        manager.queue("other", limit=[Rate(10, per=1), Rate(100, per=60, name="rate")])


async def test_a_job_that_is_added_by_name_gets_the_rules_of_what_is_known_here(manager):
    """B.6"""
    queue = manager.queue(
        "mail", limit=Concurrency(2, by="tenant"), fair_by="tenant", fair_weights={"acme": 3}
    )

    @queue.task(name="send:now", limit=Concurrency(9))
    async def send(to: str, tenant: str): ...

    by_task = planned(manager, "mail", "send:now", b'{"to":"x","tenant":"acme"}')
    assert flow_of(by_task) == [("concurrency", "acme", 2, 1), ("send;now/concurrency", "", 9, 1)]
    assert by_task.fair == FairKey("acme", 3.0)
    unknown = planned(manager, "mail", "other", b'{"tenant":"bob"}')
    assert flow_of(unknown) == [("concurrency", "bob", 2, 1)]
    assert flow_of(planned(manager, "mail", "other", b"[1]")) == [("concurrency", "", 2, 1)]
    assert planned(manager, "elsewhere", "nobody", b"{}") is None


def test_the_default_options_of_a_queue_may_hold_limits(manager):
    manager.register_queue("old", default_job_options={"limit": Concurrency(3)})
    assert flow_of(planned(manager, "old", "job", b"{}")) == [("job/concurrency", "", 3, 1)]
    with pytest.raises(InvalidOption, match="a Concurrency, a Rate"):
        manager.register_queue("new", default_job_options={"limit": "three"})


def test_a_class_based_queue_says_its_limits_as_attributes(manager):
    class Mail(BaseQueue):
        name = "mail"
        rate_limit = Rate(10, per=1)
        limit = Concurrency(2, by="tenant")

        async def process_job(self, job): ...

    manager.register(Mail)
    assert flow_of(planned(manager, "mail", "any", b'{"tenant":"t"}')) == [
        ("rate", "", 10, 1),
        ("concurrency", "t", 2, 1),
    ]


def test_what_a_limit_reads_is_checked_against_the_signature_when_it_is_defined(manager):
    """B.6"""
    queue = manager.queue("mail")

    async def send(to: str, tenant: str, order: dict): ...

    for words in (
        {"limit": Concurrency(1, by="tenent")},
        {"rate_limit": Rate(1, per=1, cost="tenants")},
        {"concurrency_key": "Tenant"},
        {"fair_by": "tenent.id"},
    ):
        with pytest.raises(
            InvalidOption, match=r"an argument of task 'send' \(to, tenant, order\), perhaps 'tenant'"
        ):
            queue.task(**words)(send)
    queue.task(limit=Concurrency(1, by="order.customer"))(send)
    with pytest.raises(InvalidOption, match="perhaps 'tenant'"):
        manager.queue("mail", limit=Concurrency(1, by="tenent"))
    assert queue.options.limits == ()


def test_weights_of_nothing_are_refused(manager):
    with pytest.raises(InvalidOption, match="fair_by= beside it"):
        manager.queue("mail", fair_weights={"a": 2})


async def test_a_cost_above_what_a_limit_can_ever_give_is_refused_when_the_job_is_added(manager):
    """B.6"""
    queue = manager.queue("llm", rate_limit=Rate(100, per=60, burst=20, cost="tokens"))

    @queue.task
    async def ask(tokens: int): ...

    with pytest.raises(InvalidOption, match=r"'cost' cannot be 21.*at most 20.*limit 'rate' of queue 'llm'"):
        await ask.enqueue(21)
    with pytest.raises(InvalidOption, match="at most 20"):
        await manager.add_job("llm", "ask", {"tokens": 21})
    async with manager:
        assert (await manager.get_stats()).total == 0


def test_a_queue_without_limits_plans_jobs_without_rules(manager):
    @manager.task
    async def plain(to: str): ...

    assert not plain._planned().has_rules
    assert not plan(manager.runtime, "default", "other", {}).has_rules


def test_a_processor_of_any_data_may_be_limited_by_a_function(manager):
    manager.queue("raw", limit=Concurrency(1, by=lambda data: data[0]))
    rules = planned(manager, "raw", "x", b'["first", 2]')
    assert rules.flow == (FlowKey("concurrency", "first", LimitKind.CONCURRENCY, 1),)


def test_a_plan_is_made_anew_when_what_is_known_changes(manager):
    first = plan(manager.runtime, "q", "t", {})
    assert plan(manager.runtime, "q", "t", {}) is first
    assert not first.has_rules
    manager.queue("q", limit=Concurrency(3))
    second = plan(manager.runtime, "q", "t", {})
    assert second.has_rules

    @manager.queue("q").task(name="t", concurrency_key="to")
    async def send(to: str): ...

    assert flow_of(planned(manager, "q", "t", b'{"to":"x"}')) == [
        ("concurrency", "", 3, 1),
        ("key", "x", 1, 1),
    ]


def test_a_limit_of_the_queue_that_a_task_cannot_meet_is_said_to_be_the_queues(manager):
    queue = manager.queue("mail", limit=Concurrency(2, by="tenant"))

    async def send(to: str): ...

    with pytest.raises(InvalidOption, match="an option of the queue, so all its tasks need the argument"):
        queue.task(send)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ({"limit": Concurrency(1, by=lambda data: data["nobody"])}, "'by' of limit 'send/concurrency'"),
        ({"limit": Concurrency(5, cost=lambda data: data["nobody"])}, "'cost' of limit 'send/concurrency'"),
        ({"fair_by": lambda data: data["nobody"]}, "'fair_by' of task 'send'"),
        ({"unique": Unique(by=lambda data: data["nobody"])}, "'by' of unique= of task 'send'"),
    ],
)
async def test_a_function_that_raises_is_named_with_its_limit_or_task_and_nothing_is_added(
    manager, words, named
):
    @manager.queue("mail").task(**words)
    async def send(to: str): ...

    with pytest.raises(InvalidOption, match=f"{named}.* raised KeyError") as raised:
        await send.enqueue("a@b")
    assert isinstance(raised.value.__cause__, KeyError)
    assert not await manager.get_jobs()
    await manager.shutdown()
