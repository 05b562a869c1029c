"""This module is how workflows are written: `Step`, `Workflow`, and the three ways to put steps together.

    chain(fetch, [parse, index], report)     one after the other; a list runs side by side
    group(a, b, c, on_complete=tidy)         side by side
    chord([a, b, c], report)                 side by side, then one with all their results

What is written here is only read: a step may stand in several places, and is then one step with several parents.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self, Union

from longshore.core.asking import spelled
from longshore.core.errors import InvalidOption, UnknownOption
from longshore.core.names import check_name, check_tags

STEP_WORDS = (
    *(
        "at",
        "attempts",
        "backoff",
        "concurrency_key",
        "correlationId",
        "correlation_id",
        "dead_letter",
        "delay",
    ),
    *(
        "limit",
        "maxAttempts",
        "max_attempts",
        "max_crashes",
        "metadata",
        "priority",
        "rate_limit",
        "reference",
    ),
    *("retry", "run_at", "scheduledAt", "scheduledFor", "scheduled_at", "scheduled_for", "tags", "timeout"),
    "unique",
)
"""What can be said of a step's job beside what is said here: all options of a job but those that say where and under
which id it is stored."""

Outcome = Literal["success", "failure", "always", "over"]
"""The end of a step that another one waits for: "always" is any but skipped, "over" any at all."""
OUTCOMES: tuple[Outcome, ...] = ("success", "failure", "always", "over")
JOINS = ("all", "any")
ON_FAILED = ("cancel", "skip", "run")

Part = Union["Step", "Workflow", str, Mapping[str, Any], Iterable[Any]]
"""A step, a workflow within, the name of a step that stands elsewhere, the seed's dict of a step, or a list of these,
which run side by side."""
Parts = Part | None
After = Union[str, "Step", Iterable[Union[str, "Step"]], Mapping[Union[str, "Step"], Outcome]]


class Step:
    """One job of a workflow: its queue, the name of its task, and its data.

    `id` is what others call it, and its results are found by it; the task's name unless given. `after` names steps that
    it waits for, with `{"fetch": "failure"}` for another end than success; `join="any"` lets one of them be enough.
    `on_success`, `on_failure` and `on_complete` are what follows. `when` is a condition that a worker looks at before
    it runs the step: the name of a predicate, the function itself, or an expression such as "previous.total > 100".
    `on_failed_dependency` says what becomes of it when a step failed whose success it needs: "cancel", "skip" or "run".
    All else are options of its job: priority, delay, retry, timeout, ….

    Raises InvalidOption, InvalidName and UnknownOption.
    """

    __slots__ = (
        *("_words", "after", "data", "id", "join", "name", "on_complete", "on_failed_dependency"),
        *("on_failure", "on_success", "queue", "when"),
    )

    def __init__(
        self,
        queue: str,
        name: str,
        data: Any = None,
        *,
        id: str | None = None,  # noqa: A002 - a promise of the API
        after: After = (),
        on_success: Parts = None,
        on_failure: Parts = None,
        on_complete: Parts = None,
        when: Any = None,
        join: Literal["all", "any"] = "all",
        on_failed_dependency: Literal["cancel", "skip", "run"] = "cancel",
        **words: Any,
    ) -> None:
        self.queue: str = check_name("queue", queue)
        self.name: str = check_name("task", name)
        self.data: Any = data
        self.id: str | None = None if id is None else check_name("step", id)
        self.after: Mapping[str | Step, Outcome] = _after(self.called, after)
        self.on_success: tuple[Part, ...] = parts_of(on_success)
        self.on_failure: tuple[Part, ...] = parts_of(on_failure)
        self.on_complete: tuple[Part, ...] = parts_of(on_complete)
        self.when: Any = when
        self.join: str = _one_of("join", join, JOINS, of=f"step '{self.called}'")
        self.on_failed_dependency: str = _one_of(
            "on_failed_dependency", on_failed_dependency, ON_FAILED, of=f"step '{self.called}'"
        )
        for word in words:
            if word not in STEP_WORDS:
                raise UnknownOption(word, [*STEP_WORDS, *_OWN], of=f"step '{self.called}'")
        self._words: Mapping[str, Any] = words

    def __repr__(self) -> str:
        return f"<Step {self.called} {self.queue}/{self.name}>"

    @property
    def called(self) -> str:
        """What others call it, but for the workflow within which it stands."""
        return self.id or self.name

    @property
    def words(self) -> Mapping[str, Any]:
        """The options of its job."""
        return self._words

    def options(self, **changes: Any) -> Self:
        """Another step that differs in these: `send.step("a").options(id="first", after="fetch", delay=5)`. Raises like
        `Step`."""
        own = {name: getattr(self, name) for name in _OWN}
        return type(self)(self.queue, self.name, **{"data": self.data, **own, **self._words, **changes})


_OWN = ("id", "after", "on_success", "on_failure", "on_complete", "when", "join", "on_failed_dependency")


class Workflow:
    """Steps that belong together: `Workflow(steps=[…])`, or what `chain`, `group` and `chord` make.

    `id` is the caller's own: the same workflow under the same id is started once. Without one each start is another
    run. Metadata, correlation id and tags go to all its jobs; the last two may also stand in the metadata. As a part
    of another workflow, its steps are called `id/step` there where it has an id. `on_success` runs when all its steps
    have succeeded, `on_complete` when all are over, however they ended, and `on_failure` once, when the first has
    failed for good. Raises InvalidOption and InvalidName.
    """

    __slots__ = (
        *("correlation_id", "id", "in_order", "metadata", "name", "on_complete", "on_failure", "on_success"),
        *("steps", "tags"),
    )

    @spelled("a workflow")
    def __init__(
        self,
        id: str | None = None,  # noqa: A002 - a promise of the API
        name: str | None = None,
        steps: Parts = None,
        *,
        metadata: Mapping[str, Any] | None = None,
        correlation_id: str | None = None,
        tags: Iterable[str] = (),
        on_success: Parts = None,
        on_failure: Parts = None,
        on_complete: Parts = None,
        in_order: bool = False,
    ) -> None:
        self.id: str | None = None if id is None else check_name("workflow", id)
        self.name: str | None = name
        self.steps: tuple[Part, ...] = parts_of(steps)
        self.metadata: dict[str, Any] = _metadata(metadata)
        self.correlation_id: str | None = _correlation_id(correlation_id, self.metadata)
        self.tags: tuple[str, ...] = tuple(
            dict.fromkeys([*check_tags(tags), *check_tags(self.metadata.get("tags") or ())])
        )
        self.on_success: tuple[Part, ...] = parts_of(on_success)
        self.on_failure: tuple[Part, ...] = parts_of(on_failure)
        self.on_complete: tuple[Part, ...] = parts_of(on_complete)
        self.in_order: bool = in_order
        """Whether each of its parts waits for the one before."""

    def __repr__(self) -> str:
        return f"<Workflow {self.name or self.id or ''} of {len(self.steps)}>"

    def options(self, **changes: Any) -> Self:
        """Another workflow of the same steps that differs in these."""
        own = {name: getattr(self, name) for name in self.__slots__}
        return type(self)(**{**own, **changes})


def chain(*parts: Part, **words: Any) -> Workflow:
    """Each part after the success of the one before. The words are those of `Workflow`."""
    return Workflow(steps=parts, in_order=True, **words)


def group(*parts: Part, **words: Any) -> Workflow:
    """All parts side by side: `group(a, b)` or `group([a, b])`, with `on_success`, `on_failure` and `on_complete` of
    all of them. The words are those of `Workflow`."""
    listed = parts_of(parts[0]) if len(parts) == 1 else parts
    return Workflow(steps=listed, **words)


def chord(parts: Part, then: Part, **words: Any) -> Workflow:
    """All parts side by side, and once all have succeeded `then`, which finds their results in `ctx.previous`."""
    return chain(group(*parts_of(parts)), then, **words)


def parts_of(value: Parts) -> tuple[Part, ...]:
    """One part or several, as several."""
    if value is None:
        return ()
    if isinstance(value, Step | Workflow | str | Mapping):
        return (value,)
    if not isinstance(value, Iterable):
        raise InvalidOption(
            "steps",
            value,
            "a Step (task.step(…) makes one), a Workflow, a step's name, a dict, or a list of these",
        )
    return tuple(value)


def _after(step: str, value: After) -> Mapping[Union[str, "Step"], Outcome]:
    if isinstance(value, Mapping):
        for outcome in value.values():
            _one_of("after", outcome, OUTCOMES, of=f"step '{step}'")
        return dict(value)
    if not isinstance(value, str | Step | Iterable):
        raise InvalidOption("after", value, "steps, or their names", of=f"step '{step}'")
    named = [value] if isinstance(value, str | Step) else list(value)
    for each in named:
        if not isinstance(each, str | Step):
            raise InvalidOption("after", each, "steps, or their names", of=f"step '{step}'")
        if named.count(each) > 1:
            raise InvalidOption("after", value, "each step once", of=f"step '{step}'")
    return dict.fromkeys(named, "success")


def _correlation_id(own: Any, metadata: Mapping[str, Any]) -> str | None:
    found = own or metadata.get("correlationId") or metadata.get("correlation_id")
    if found is not None and not isinstance(found, str):
        raise InvalidOption("correlation_id", found, "a text")
    return found


def _metadata(value: Mapping[str, Any] | None) -> dict[str, Any]:
    if value is not None and not isinstance(value, Mapping):
        raise InvalidOption("metadata", value, "a dict", of="a workflow")
    return dict(value or {})


def _one_of(option: str, value: Any, allowed: tuple[str, ...], *, of: str | None = None) -> str:
    if value not in allowed:
        raise InvalidOption(option, value, " or ".join(repr(each) for each in allowed), of=of)
    return str(value)
