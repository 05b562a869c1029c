"""This module is the desk of the manager: all that can be asked about jobs and queues that are there."""

from longshore.manager.adding import Adding
from longshore.manager.controls import Controls
from longshore.manager.dead_letters import DeadLetters
from longshore.manager.jobs import Jobs
from longshore.manager.limits import Limits
from longshore.manager.locks import Locking
from longshore.manager.providing import Providing
from longshore.manager.reports import Reports
from longshore.manager.runtime import Runtime
from longshore.manager.schedules import Schedules, Scheduling
from longshore.manager.signalling import Signalling
from longshore.manager.transacting import Transacting
from longshore.manager.workflow_starting import WorkflowStarting
from longshore.manager.workflows import Workflows


class Desk(
    Adding,
    WorkflowStarting,
    Transacting,
    Jobs,
    Controls,
    Limits,
    Providing,
    Locking,
    Scheduling,
    Signalling,
    Reports,
):
    """Adding, finding and changing jobs; queues, their limits and figures; locks; schedules; dead letters.

    A running task sees the manager as this (`ctx.manager`); `QueueManager` adds what defines tasks and runs workers.
    """

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self.dead_letters: DeadLetters = DeadLetters(runtime)
        self.workflows: Workflows = Workflows(runtime)
        self.schedules: Schedules = Schedules(runtime)
