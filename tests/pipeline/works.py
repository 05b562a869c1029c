"""Tasks for workflows, and what they did."""

from longshore import JobContext


class Works:
    """Tasks, and what they did."""

    def __init__(self, manager):
        self.manager = manager
        self.ran = []
        self.fails = set()
        queue = manager.queue("q", retry=1)

        @queue.task
        async def note(name: str, value: int = 0, *, ctx: JobContext) -> int:
            self.ran.append(name)
            if name in self.fails:
                raise ValueError(name)
            return value

        @queue.task
        async def gather(ctx: JobContext) -> list:
            self.ran.append(ctx.job.step)
            previous = await ctx.previous
            return previous if isinstance(previous, list) else [previous]

        self.note, self.gather = note, gather

    def step(self, name, value=0, **options):
        return self.note.step(name, value).options(id=name, **options)

    async def run(self, workflow):
        run = await self.manager.execute_workflow(workflow)
        await self.manager.run_until_empty(timeout=30)
        await run.refresh()
        return run
