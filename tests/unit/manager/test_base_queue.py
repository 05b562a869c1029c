"""Class-based queues: what is refused when they are defined or registered."""

import pytest

from longshore import BaseQueue, QueueManager
from longshore.core.errors import InvalidTask, UnknownOption


def test_a_misspelt_option_is_refused_when_the_class_is_defined():
    """S1.1."""
    with pytest.raises(
        UnknownOption, match=r"'concurency' of queue class Emails. Did you mean 'concurrency'"
    ):

        class Emails(BaseQueue):
            name = "emails"
            concurency = 3


def test_attributes_of_the_class_own_are_its_own_business():
    class Emails(BaseQueue):
        name = "emails"
        template = "hello.txt"
        concurrency = 3

        async def process_job(self, job):
            return self.template

    assert QueueManager("memory://").register(Emails).words() == {"concurrency": 3}


def test_a_class_without_process_job_is_refused_when_it_is_registered():
    class Emails(BaseQueue):
        name = "emails"

    with pytest.raises(InvalidTask, match="process_job"):
        QueueManager("memory://").register(Emails)
