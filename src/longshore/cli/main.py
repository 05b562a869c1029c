"""This module is the entry of the command line: what commands there are, and what their failures look like.

It stays light: `longshore --help` and shell completion import none of the commands.
"""

from longshore.cli.lazy import Commands, Lazy, Section

SECTIONS = (
    Section(
        "Run work",
        {
            "demo": Lazy(
                "longshore.cli.demo.command:demo", "See it work, with a worker killed in the middle."
            ),
            "worker": Lazy("longshore.cli.worker:worker", "Run jobs with the tasks of MODULE:MANAGER."),
            "enqueue": Lazy("longshore.cli.enqueue:enqueue", "Add a job, or many from a file."),
        },
    ),
    Section(
        "Look after it",
        {
            "jobs": Lazy(
                "longshore.cli.jobs:jobs", "List, show, retry, cancel, delete, explain, signal jobs."
            ),
            "queues": Lazy("longshore.cli.queues:queues", "List, pause, resume, clean queues."),
            "workflows": Lazy("longshore.cli.workflows:workflows", "List, show, cancel, retry workflows."),
            "cron": Lazy("longshore.cli.cron:cron", "List, show, pause, resume, run, delete schedules."),
            "dlq": Lazy("longshore.cli.dlq:dlq", "List, show, requeue, discard dead letters."),
            "top": Lazy("longshore.cli.top:top", "Watch queues and workers live."),
            "workers": Lazy("longshore.cli.workers:workers", "List the workers that are alive."),
        },
    ),
    Section(
        "Set it up",
        {
            "settings": Lazy(
                "longshore.cli.settings:settings", "Print every setting and where it came from."
            ),
            "doctor": Lazy("longshore.cli.doctor:doctor", "Find what may lose jobs or time."),
            "migrate": Lazy("longshore.cli.migrate:migrate", "Bring the store to the newest schema."),
            "move": Lazy("longshore.cli.move:move", "Move jobs from the store FROM to the store TO."),
            "bench": Lazy("longshore.cli.bench:bench", "Measure this store on this machine."),
            "completion": Lazy("longshore.cli.completion:completion", "Print the shell's completion script."),
        },
    ),
)

commands = Commands(
    SECTIONS,
    help="Longshore: background jobs that are kept safe and get done.\n\n"
    "The store is --url, LONGSHORE_URL or what `longshore settings` says.",
)


def main() -> None:
    """Runs the command line and exits: 0 done, 1 what was asked for failed, 2 wrong usage."""
    commands.main(prog_name="longshore")
