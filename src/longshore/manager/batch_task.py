"""This module is a batch task: each job holds one item, and the function runs many of them at once."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeVar

from longshore.manager.intake import blocking_intake
from longshore.manager.job import AnyJob
from longshore.manager.task import Task

T = TypeVar("T")


class BatchTask(Task[[T], Any]):
    """A function that runs jobs many at a time. Made by `@queue.batch_task`.

    `enqueue(item)` adds a job whose data is the item. The function is called with a list of items, or with a list of
    jobs where it is annotated `list[Job]`, and answers for each of them.
    """

    def __call__(self, items: Sequence[T], /) -> Any:
        """A plain call: runs the function in place, without a queue."""
        return self.function(list(items))

    async def enqueue_many(self, items: Iterable[T]) -> list[AnyJob]:  # type: ignore[override]  # items, not calls
        """Adds a job for each item, in their order. Raises like `Task.enqueue_many`."""
        return await super().enqueue_many((item,) for item in items)

    enqueue_many_sync: Final = blocking_intake(enqueue_many)  # type: ignore[misc,arg-type]  # as above
