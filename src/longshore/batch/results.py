"""This module reads what the processor of a batch answered: one result for each item, or the failure of them all."""

from collections.abc import Hashable, Mapping, Sequence
from random import Random
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from longshore.batch.entry import Entry
from longshore.core.batch_errors import InvalidAnswer, ItemFailed
from longshore.core.retry import Retry
from longshore.core.task_signals import Discard

T = TypeVar("T")


class ItemResult(msgspec.Struct, frozen=True):
    """How one item of a batch ended.

    A processor may say it in short: True or None is a success; False is a failure, and so is an exception, which then
    is the error. `retryable=False` is a failure for good, whatever attempts are left. `result` is kept as the result of
    the item's job, where it has one.
    """

    success: bool
    error: BaseException | str | None = None
    retryable: bool = True
    result: Any = None

    def exception(self) -> BaseException:
        """The error as `Retry.retry_if` sees it; a text, or none, is an ItemFailed."""
        if isinstance(self.error, BaseException):
            return self.error
        return ItemFailed(self.error or "no reason given")


Answer = ItemResult | BaseException | bool | None
"""What a processor may say of one item."""

SUCCESS = ItemResult(success=True)
_FAILURE = ItemResult(success=False)
_UNANSWERED = ItemResult(success=False, error="the batch's answer says nothing of it")


def failure(error: BaseException) -> ItemResult:
    """An exception as a result; Discard says that it can never succeed."""
    return ItemResult(success=False, error=error, retryable=not isinstance(error, Discard))


def read_answers(answers: Any, count: int) -> list[ItemResult]:
    """A result for each of `count` items, in their order. Raises InvalidAnswer unless it is a sequence of that length:
    nobody can know then which item an answer belongs to."""
    if not isinstance(answers, Sequence) or isinstance(answers, str | bytes):
        raise InvalidAnswer(f"a {type(answers).__name__}", count)
    if len(answers) != count:
        raise InvalidAnswer(f"{len(answers)} results", count)
    return [SUCCESS if answer is True else read_answer(answer) for answer in answers]


def read_answers_by(answers: Mapping[Any, Any], keys: Sequence[Hashable]) -> list[ItemResult]:
    """A result for each key, in their order; who is not in `answers` has failed. Raises InvalidAnswer for a key that
    nobody asked for."""
    strange = [key for key in answers if key not in set(keys)]
    if strange:
        raise InvalidAnswer(f"something for {strange[0]!r:.100}, which is not in it,", len(keys))
    return [read_answer(answers[key]) if key in answers else _UNANSWERED for key in keys]


def read_answer(answer: Any) -> ItemResult:
    """What was said of one item. What is no answer at all fails the item, and may be tried again."""
    if answer is True or answer is None:
        return SUCCESS
    if answer is False:
        return _FAILURE
    if isinstance(answer, ItemResult):
        return answer
    if isinstance(answer, BaseException):
        return failure(answer)
    said = (
        f"a result of type {type(answer).__name__}; an ItemResult, a bool, None or an exception was expected"
    )
    return ItemResult(success=False, error=ItemFailed(said))


class Judged(NamedTuple, Generic[T]):
    """What becomes of the items of a batch; each is in one of the two."""

    settled: list[tuple[Entry[T], ItemResult]]
    delayed: list[tuple[float, list[Entry[T]]]]
    """To be tried again together, after so many seconds."""
    faults: list[Exception]
    """What the retry policy's own functions raised."""


def judge(
    entries: Sequence[Entry[T]], results: Sequence[ItemResult], retry: Retry, random: Random
) -> Judged[T]:
    """Settles each item by itself and counts its failure. Those that failed alike come back together, after one delay
    for all of them: drawn one by one, the jitter would tear a batch of fifty into fifty batches."""
    if all(result is SUCCESS for result in results):
        return Judged(list(zip(entries, results, strict=True)), [], [])
    settled: list[tuple[Entry[T], ItemResult]] = []
    alike: dict[tuple[int, str], list[Entry[T]]] = {}
    faults: list[Exception] = []
    for entry, result in zip(entries, results, strict=True):
        if result.success:
            settled.append((entry, result))
            continue
        entry.failures += 1
        if result.retryable and retry.allows(entry.failures) and _wants(retry, result, faults):
            kind = (entry.failures, type(result.exception()).__name__)
            alike.setdefault(kind, []).append(entry)
        else:
            settled.append((entry, result))
    delayed = [(_delay(retry, *kind, random, faults), group) for kind, group in alike.items()]
    return Judged(settled, delayed, faults)


def _wants(retry: Retry, result: ItemResult, faults: list[Exception]) -> bool:
    try:
        return retry.wants(result.exception())
    except Exception as fault:  # noqa: BLE001 - the user's own retry_if; the item must not be lost by it
        faults.append(fault)
        return True


def _delay(retry: Retry, failures: int, error_type: str, random: Random, faults: list[Exception]) -> float:
    try:
        return retry.delay(failures, random, error_type=error_type)
    except Exception as fault:  # noqa: BLE001 - the user's own backoff; the item must not be lost by it
        faults.append(fault)
        return retry.initial
