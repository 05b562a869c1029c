"""Own batches, own retry rule, hooks: "Complex Queue with Custom Handling" of seed 000.

It prints:

    Starting batch of 2 reports
    Processing 2 sales reports
    Completed batch: 2/2 successful
    Starting batch of 1 reports
    Processing 1 stock reports
    Completed batch: 0/1 successful
    Report s1 failed: no such warehouse
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from longshore import BatchedQueue, ItemResult, Retry, Split


@dataclass
class ReportTask:
    id: str
    report_type: str


class ReportError(Exception):
    permanent = True


@Split
def by_type(items: list[ReportTask]) -> Iterable[list[ReportTask]]:
    """Batches of one type each; what is over five waits for the next. `batch_by="report_type"` does the same."""
    groups: dict[str, list[ReportTask]] = {}
    for item in items:
        groups.setdefault(item.report_type, []).append(item)
    return [group[:5] for group in groups.values()]


async def process(tasks: list[ReportTask]) -> list[ItemResult | bool]:
    print(f"Processing {len(tasks)} {tasks[0].report_type} reports")
    results: list[ItemResult | bool] = []
    for task in tasks:
        try:
            if task.report_type == "stock":
                raise ReportError("no such warehouse")
            results.append(True)
        except ReportError as error:
            results.append(ItemResult(success=False, error=error, retryable=not error.permanent))
    return results


def completed(batch: list[ReportTask], results: list[ItemResult]) -> None:
    print(f"Completed batch: {sum(result.success for result in results)}/{len(batch)} successful")


def processed(task: ReportTask, result: ItemResult) -> None:
    if not result.success:
        print(f"Report {task.id} failed: {result.error}")


async def main() -> None:
    queue = BatchedQueue(
        process,
        name="report-generation",
        batch_size=5,
        flush_interval=15.0,
        batch_by=by_type,
        retry=Retry(3, initial=5, factor=2, retry_if=lambda error: not getattr(error, "permanent", False)),
        on_batch_start=lambda batch: print(f"Starting batch of {len(batch)} reports"),
        on_batch_complete=completed,
        on_processed=processed,
    )
    async with queue:
        await queue.enqueue_many(
            [ReportTask("a1", "sales"), ReportTask("s1", "stock"), ReportTask("a2", "sales")]
        )


asyncio.run(main())
