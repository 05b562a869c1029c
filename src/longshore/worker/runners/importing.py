"""This module keeps a child process from doing its worker's work while it imports the application.

A child runs the script that is `__main__`, under another name, to find the tasks in it. A script that starts its worker
without `if __name__ == "__main__":` would start one in the child too, which would start a child, and so on.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

ADVICE = (
    "longshore: this script starts a worker when it is imported, and child processes import it to find its tasks. "
    "Put what it does under `if __name__ == '__main__':`.\n"
)

_children: list[bool] = []
"""Not empty in a child process of a worker."""
_importing: list[bool] = []
"""Not empty while this process imports the application for a worker."""


def become_child() -> None:
    """Said once, by a child process: what it keeps in memory, its worker never sees."""
    _children.append(True)


def is_child() -> bool:
    """Whether this process runs tasks for a worker that is another one."""
    return bool(_children)


@contextmanager
def importing() -> Iterator[None]:
    """For the length of a block this process may not start a worker."""
    _importing.append(True)
    try:
        yield
    finally:
        _importing.pop()


def end_if_importing() -> None:
    """Ends a child process that is about to work instead of importing, with advice; does nothing elsewhere.

    No exception: the script would catch it, or wait for ever for what its worker does not do.
    """
    if _importing:
        sys.stderr.write(ADVICE)
        sys.stderr.flush()
        os._exit(1)
