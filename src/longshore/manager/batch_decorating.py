"""This module makes batch tasks of functions: `@queue.batch_task` and `@manager.batch_task`."""

import inspect
import typing
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeVar, Unpack, overload

from longshore.batch.gathering import BatchRule
from longshore.core.errors import InvalidOption, InvalidTask, UnknownOption
from longshore.core.retry import Seconds, seconds
from longshore.core.signature import ItemSignature
from longshore.manager.batch_task import BatchTask
from longshore.manager.decorating import DEFAULT_QUEUE, kind_of, name_of, target_of
from longshore.manager.desk import Desk
from longshore.manager.job import Job
from longshore.manager.option_parsing import callback, whole
from longshore.manager.options import TaskOptions, TaskWords, read_task
from longshore.manager.view import JobView
from longshore.worker.registry import Handler

T = TypeVar("T")


class BatchWords(TaskWords, total=False):
    """What can be said about a batch task, beside what can be said about any."""

    size: int
    """Jobs in one batch, at most."""
    min_size: int
    """A batch goes at once with so many; unless told, with `size`."""
    max_wait: Seconds
    """After so long the oldest goes, however few go with it; at most a minute."""
    max_bytes: int
    """Of data in one batch; a job that is larger goes alone."""
    by: Callable[[Job[Any]], Hashable] | str
    """Only jobs with the same key share a batch: a function of the job, or the name of a field of its data."""
    strategy: Callable[[list[Job[Any]]], Iterable[Iterable[Job[Any]]]]
    """Gets the jobs that wait, the most urgent and oldest first, and returns batches of them."""
    throttle: Seconds
    """Least time between two starts in one worker."""
    concurrency: int
    """Batches at a time in one worker."""


_READ: Mapping[str, Callable[[Any], Any]] = {
    "size": lambda value: whole("size", value, least=1),
    "min_size": lambda value: whole("min_size", value, least=1),
    "max_wait": lambda value: seconds("max_wait", value),
    "max_bytes": lambda value: whole("max_bytes", value, least=1),
    "by": lambda value: value if isinstance(value, str) else callback("by", value),
    "strategy": lambda value: callback("strategy", value),
    "throttle": lambda value: seconds("throttle", value),
    "concurrency": lambda value: whole("concurrency", value, least=1),
}

_KNOWN = (*TaskWords.__annotations__, *_READ)


class BatchDecorator:
    """Makes a batch task of a function; with words, makes a decorator that does so."""

    def __init__(self, desk: Desk, words: Mapping[str, Any], rules: Mapping[str, Any] | None = None) -> None:
        self._desk = desk
        self._words = words
        self._rules = rules or {}

    @overload
    def __call__(self, function: Callable[[list[Job[Any]]], Any], /) -> BatchTask[Any]: ...
    @overload
    def __call__(self, function: Callable[[list[T]], Any], /) -> BatchTask[T]: ...
    @overload
    def __call__(self, /, **words: Unpack[BatchWords]) -> "BatchDecorator": ...
    def __call__(self, function: Callable[..., Any] | None = None, /, **words: Any) -> Any:
        """Raises InvalidTask, UnknownOption, InvalidOption and InvalidName, where the task is defined."""
        told = {word: value for word, value in words.items() if value is not None}
        if strange := told.keys() - _KNOWN:
            raise UnknownOption(min(strange), _KNOWN, of="a batch task")
        rules = {**self._rules, **{word: _READ[word](told.pop(word)) for word in _READ.keys() & told.keys()}}
        if told.get("process"):
            raise InvalidOption(
                "process", told["process"], "nothing for a batch task: it runs here or in a thread"
            )
        if "schedule" in told:
            raise InvalidOption(
                "schedule",
                told["schedule"],
                "nothing for a batch task: manager.schedule(when, task, item) says which item",
            )
        own = {**self._words, **read_task(told)}
        if function is None:
            return BatchDecorator(self._desk, own, rules)
        return _make(self._desk, function, own, rules)


def _make(
    desk: Desk, function: Callable[..., Any], told: Mapping[str, Any], rules: Mapping[str, Any]
) -> BatchTask[Any]:
    own = dict(told)
    name = own.pop("name", None) or name_of(function)
    queue = own.pop("queue", DEFAULT_QUEUE)
    options = TaskOptions(**own)
    item = _item(name, function)
    takes_jobs = _is_job(item)
    signature = ItemSignature(name, Any if takes_jobs else item)
    handler = Handler(
        name=name,
        queue=queue,
        function=function,
        kind=kind_of(name, function),
        signature=signature,
        target=target_of(name, function, in_process=False),
        provider=options.provider,
        batch=BatchRule(**rules, takes_jobs=takes_jobs),
        on_complete=options.on_complete,
        on_failure=options.on_failure,
    )
    desk.runtime.register(handler, options)
    words = {} if options.priority is None else {"priority": options.priority}
    return BatchTask(desk, function, signature, queue=queue, words=words)


def _item(name: str, function: Callable[..., Any]) -> Any:
    """What the function's list is a list of. Raises InvalidTask for a function that does not take one list."""
    parameters = list(inspect.signature(function).parameters.values())
    if len(parameters) != 1 or parameters[0].kind in (
        inspect.Parameter.KEYWORD_ONLY,
        inspect.Parameter.VAR_KEYWORD,
    ):
        raise InvalidTask(name, "a batch task takes one argument, the list of items")
    try:
        annotation = typing.get_type_hints(function, include_extras=True).get(parameters[0].name, Any)
    except NameError as error:
        raise InvalidTask(
            name, f"its annotations cannot be resolved ({error}); import the type at module level"
        ) from error
    if annotation in (Any, list):
        return Any
    if typing.get_origin(annotation) not in (list, Sequence, Iterable):
        raise InvalidTask(
            name, f"a batch task takes a list of items, such as list[dict], and not {annotation!r}"
        )
    return typing.get_args(annotation)[0]


def _is_job(item: Any) -> bool:
    kind = typing.get_origin(item) or item
    return isinstance(kind, type) and issubclass(kind, JobView)
