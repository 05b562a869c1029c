"""This package runs what would block the event loop.

`worker/runner.py` says what the executor asks of a runner. A runner never decides what an outcome means.
"""
