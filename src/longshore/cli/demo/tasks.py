"""This module is the demo's application, written as a user would write one.

The workers are started as `longshore worker longshore.cli.demo.tasks:manager`; the store is that of LONGSHORE_URL.
"""

from pathlib import Path

from longshore import QueueManager, Retry
from longshore.cli.demo.counting import FileCount, count

manager = QueueManager()
files = manager.queue("files")


@files.task(name="count-file", retry=Retry(max_attempts=3, initial=0.2, maximum=1.0))
def count_file(path: str) -> FileCount:
    """Counts lines and tokens. A file that cannot be decoded fails three times and is a dead letter then."""
    return count(Path(path))
