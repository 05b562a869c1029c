"""Steps for success and for failure: "Workflow Execution" of seed 003, line by line, with the seed's own JSON.

The profile cannot be created, so its path of failure is taken, and what needed it is cancelled.

It prints:

    send-welcome-email {'userId': 123}
    create-user-profile {'userId': 123}
    alert-admin {'error': 'profile-creation-failed', 'userId': 123}
    User Onboarding: failed
    send-welcome-email: completed
    create-user-profile: failed
    send-profile-created: cancelled
    alert-admin: completed
    of workflow-123: 4 jobs with the tags ('onboarding', 'user')
"""

import asyncio

from longshore import Job, QueueManager

queue_manager = QueueManager()

workflow = {
    "id": "user-onboarding-workflow",
    "name": "User Onboarding",
    "steps": [
        {
            "queueName": "email-notifications",
            "jobName": "send-welcome-email",
            "data": {"userId": 123},
            "onSuccess": [
                {
                    "queueName": "data-processing",
                    "jobName": "create-user-profile",
                    "data": {"userId": 123},
                    "onSuccess": [
                        {
                            "queueName": "email-notifications",
                            "jobName": "send-profile-created",
                            "data": {"userId": 123},
                        },
                    ],
                    "onFailure": [
                        {
                            "queueName": "notifications",
                            "jobName": "alert-admin",
                            "data": {"error": "profile-creation-failed", "userId": 123},
                        },
                    ],
                },
            ],
        },
    ],
    "metadata": {"createdBy": "system", "correlationId": "workflow-123", "tags": ["onboarding", "user"]},
}


async def process(job: Job) -> None:
    print(job.name, job.data)
    if job.name == "create-user-profile":
        raise ConnectionError("the database is away")


async def main() -> None:
    async with queue_manager:
        for name in ("email-notifications", "data-processing", "notifications"):
            queue_manager.register_queue(name, retry=1)
            queue_manager.register_processor(name, process)
        run = await queue_manager.execute_workflow(workflow)
        await queue_manager.run_until_empty()
        await run.refresh()
        print(f"{run.name}: {run.status}")
        for step, state in run.states.items():
            print(f"{step}: {state}")
        jobs = await queue_manager.get_jobs(correlation_id="workflow-123")
        print("of workflow-123:", len(jobs), "jobs with the tags", jobs[0].tags)


asyncio.run(main())
