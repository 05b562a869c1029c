"""This module makes pytest execute the Python blocks of the docs, page by page, each page in a folder of its own."""

import os
import tempfile
from pathlib import Path
from typing import Any

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser


def enter_a_new_folder(namespace: dict[str, Any]) -> None:
    """What a page writes, jobs.db for one, stays out of the checkout."""
    namespace["page_folder"] = tempfile.TemporaryDirectory()
    namespace["folder_before"] = Path.cwd()
    os.chdir(namespace["page_folder"].name)


def leave_the_folder(namespace: dict[str, Any]) -> None:
    """Go back, and forget what the page wrote."""
    os.chdir(namespace["folder_before"])
    namespace["page_folder"].cleanup()


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), SkipParser()],
    path="docs",
    pattern="*.md",
    setup=enter_a_new_folder,
    teardown=leave_the_folder,
).pytest()
