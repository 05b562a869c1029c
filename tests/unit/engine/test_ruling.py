from longshore.core.rules import FairKey, FlowKey, LimitKind, Rules
from longshore.engine.ruling import Clause, Subject, ruling

ONE = FlowKey("one", "", LimitKind.CONCURRENCY, 1)


class Always:
    is_fixed = True

    def __init__(self, rules: Rules) -> None:
        self.said = rules

    def rules(self, subject: Subject) -> Rules:
        return self.said


class ByName:
    is_fixed = False

    def rules(self, subject: Subject) -> Rules:
        return Rules(fair=FairKey(subject.data["name"])) if "name" in subject.data else Rules()


def test_nothing_said_is_no_ruling() -> None:
    assert ruling("q", "t", []) is None
    assert ruling("q", "t", [Always(Rules())]) is None


def test_clauses_that_say_the_same_of_every_job_are_put_together_once() -> None:
    clauses: list[Clause] = [Always(Rules(flow=(ONE,), room=1)), Always(Rules(flow=(ONE,), room=2))]
    assert ruling("q", "t", clauses) == Rules(flow=(ONE, ONE), room=2)


def test_other_clauses_are_asked_for_each_payload_and_see_the_defaults_of_the_task() -> None:
    rules_of = ruling("q", "t", [Always(Rules(flow=(ONE,))), ByName()], defaults={"name": "ann"})
    assert callable(rules_of)
    assert rules_of(b"{}") == Rules(flow=(ONE,), fair=FairKey("ann"))
    assert rules_of(b'{"name": "bob"}') == Rules(flow=(ONE,), fair=FairKey("bob"))
    only = ruling("q", "t", [ByName()])
    assert callable(only)
    assert only(b"{}") is None
