"""A job that is added again and again, and a clean-up at midnight (seed 003, pattern 5: cron-like scheduled jobs).

Nothing is lost on a restart, nothing runs once per replica, and midnight stays midnight when the clocks are set.

It prints:

    cleaned up
    daily-cleanup: @daily in Europe/Berlin, at midnight
    beat: 3 beats, 3 ticks
"""

import asyncio

from longshore import JobContext, QueueManager, Schedule

manager = QueueManager()
maintenance = manager.queue("maintenance")
beats = asyncio.Queue[str]()


# Run daily at midnight
@maintenance.task(name="daily-cleanup", schedule=Schedule("@daily", tz="Europe/Berlin"))
async def clean_up() -> None:
    print("cleaned up")


@maintenance.task
async def beat(ctx: JobContext, name: str) -> None:
    await beats.put(str(ctx.job.tick))


async def main() -> None:
    manager.schedule("* * * * * *", beat, "heart", id="beat", overlap="skip")
    async with manager:
        await manager.start_workers()
        ticks = {await beats.get() for _ in range(3)}  # a second lies between two

        job = await manager.schedules.run_now("maintenance:daily-cleanup")  # not before midnight otherwise
        await job.result()

        [daily] = [each for each in await manager.schedules.list() if each.is_in_code and each.id != "beat"]
        hour = {0: "midnight"}[daily.next[0].hour]
        print(f"{daily.name}: {daily.when} in {daily.tz}, at {hour}")
        print(f"beat: 3 beats, {len(ticks)} ticks")


asyncio.run(main())
