"""The tables of the reference name what there is: no less, and nothing else."""

import re
from inspect import signature
from pathlib import Path

import pytest

from longshore.core.events import EVENTS
from longshore.core.states import TERMINAL
from longshore.manager import explain
from longshore.manager.batch_figures import BatchStats
from longshore.manager.batched import BatchedQueue
from longshore.manager.option_parsing import SEED_WORDS, JobWords
from longshore.manager.options import QueueWords, TaskWords
from longshore.manager.view import JobView

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
PLUMBING = {"key", "record", "details"}
"""Attributes of a handle that are not for users."""


def named_in(text):
    """What the first column of its tables names."""
    cells = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(\w[\w-]*)`", cell)}


@pytest.mark.parametrize(
    ("title", "words"), [("A queue", QueueWords), ("A task", TaskWords), ("A job", JobWords)]
)
def test_every_option_stands_in_its_table(title, words):
    sections = re.split(r"^## (.*)\n", (REFERENCE / "options.md").read_text(), flags=re.MULTILINE)
    section = sections[sections.index(title) + 1]
    assert named_in(section) == set(words.__annotations__)


def test_every_spelling_of_the_seeds_is_named():
    page = (REFERENCE / "options.md").read_text()
    assert [word for word in SEED_WORDS if f"`{word}`" not in page] == []


def test_every_option_method_and_figure_of_a_batched_queue_stands_in_its_table():
    page = (REFERENCE / "batched-queue.md").read_text()
    options = set(signature(BatchedQueue).parameters) - {"processor"}
    methods = {name for name in vars(BatchedQueue) if not name.startswith("_")}
    named = set(re.findall(r"`(?:await )?(\w+)", page))
    assert {*options, *methods, *BatchStats.__struct_fields__} <= named
    assert named_in(page.partition("## Methods")[0]) == options


def test_every_event_stands_in_its_table():
    assert named_in((REFERENCE / "events.md").read_text()) == set(EVENTS)


def test_every_attribute_of_a_job_is_named():
    page = (REFERENCE / "job.md").read_text()
    attributes = {name for name, value in vars(JobView).items() if isinstance(value, property)} - PLUMBING
    assert [name for name in sorted(attributes) if f"`{name}`" not in page] == []
    assert named_in(page) <= attributes


def test_every_answer_of_explain_stands_in_its_table():
    source = Path(explain.__file__).read_text()
    codes = set(re.findall(r'Explanation\(\s*"([a-z-]+)"', source)) | {str(state) for state in TERMINAL}
    assert named_in((REFERENCE / "explain.md").read_text()) == codes
