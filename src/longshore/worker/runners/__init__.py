"""This package runs what would block the event loop: plain functions in threads, and tasks in child processes.

    threads.py     ThreadRunner: plain functions
    processes.py   ProcessRunner: `process=True`; which child runs which errand, and when a child is replaced
    child.py       one child process, seen from the worker
    inside.py      what runs in the child
    channel.py     the bytes between the two; messages.py: what they say
    outcomes.py    what became of a call, as a message, and as the exception that the engine judges

`worker/runner.py` says what the executor asks of a runner. A runner never decides what an outcome means.
"""
