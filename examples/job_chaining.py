"""One job after the other: "Job Chaining" of seed 003, line by line.

What a job returned is there for the next one.

It prints:

    ingest-data s3://bucket/data.csv
    process-data csv of 3 rows
    notify-completion ingestion-complete: {'rows': 3, 'format': 'csv'}
    the chain: ['completed', 'completed', 'completed']
"""

import asyncio

from longshore import JobContext, Priority, QueueManager

queue_manager = QueueManager()


@queue_manager.task(queue="data-ingestion", name="ingest-data")
async def ingest_data(source: str) -> int:
    print("ingest-data", source)
    return 3


@queue_manager.task(queue="data-processing", name="process-data")
async def process_data(ctx: JobContext, format: str) -> dict[str, int | str]:  # noqa: A002 - the seed's word
    rows = await ctx.previous
    print("process-data", format, "of", rows, "rows")
    return {"rows": rows, "format": format}


@queue_manager.task(queue="notifications", name="notify-completion")
async def notify_completion(ctx: JobContext, type: str) -> None:  # noqa: A002 - the seed's word
    print(f"notify-completion {type}: {await ctx.previous}")


async def main() -> None:
    async with queue_manager:
        job = await queue_manager.add_job(
            "data-ingestion",
            "ingest-data",
            {"source": "s3://bucket/data.csv"},
            priority=Priority.HIGH,
            chain_to=[
                {"queueName": "data-processing", "jobName": "process-data", "data": {"format": "csv"}},
                {
                    "queueName": "notifications",
                    "jobName": "notify-completion",
                    "data": {"type": "ingestion-complete"},
                },
            ],
        )
        await queue_manager.run_until_empty()
        workflow = await queue_manager.workflows.get(job.workflow_id or "")
        assert workflow is not None
        print("the chain:", [step.state.value for step in workflow.steps.values()])


asyncio.run(main())
