"""The supervisor as its processes know it."""

import os

from longshore.scaling.parent import VARIABLE, Parent


def test_a_process_without_a_supervisor_has_no_parent_to_watch():
    assert Parent.from_environment({}) is None


def test_what_a_worker_starts_learns_nothing_of_the_supervisor():
    reading, writing = os.pipe()
    os.set_inheritable(reading, True)
    environment = {VARIABLE: str(reading)}
    assert Parent.from_environment(environment) is not None
    assert environment == {}
    assert not os.get_inheritable(reading)
    os.close(reading)
    os.close(writing)
