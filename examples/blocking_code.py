"""No event loop anywhere: plain functions as tasks, and the blocking twin of every method.

It prints:

    42
    ['pending', 'pending']
    {'total': 3, 'pending': 0, 'processing': 0, 'completed': 3, 'failed': 0, 'cancelled': 0}
"""

import time

from longshore import QueueManager

manager = QueueManager()


@manager.task
def multiply(a: int, b: int) -> int:
    time.sleep(0.01)  # blocks its own thread, and nobody else
    return a * b


with manager:
    job = multiply.enqueue_sync(6, 7)
    manager.run_until_empty_sync()
    print(job.result_sync())

    jobs = multiply.enqueue_many_sync([(1, 2), {"a": 3, "b": 4}])
    print([str(job.state) for job in jobs])
    manager.run_until_empty_sync()
    print(dict(manager.get_stats_sync()))
