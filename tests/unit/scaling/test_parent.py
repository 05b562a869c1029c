"""The supervisor as its processes know it."""

import socket

from longshore.scaling.parent import VARIABLE, Parent


def test_a_process_without_a_supervisor_has_no_parent_to_watch():
    assert Parent.from_environment({}) is None


def test_what_a_worker_starts_learns_nothing_of_the_supervisor():
    supervisor, process = socket.socketpair()
    process.set_inheritable(True)
    environment = {VARIABLE: str(process.detach())}
    parent = Parent.from_environment(environment)
    assert environment == {}
    assert not parent._line.get_inheritable()
    parent._line.close()
    supervisor.close()


def test_saying_ready_to_a_supervisor_that_is_gone_is_no_error():
    supervisor, process = socket.socketpair()
    parent = Parent.from_environment({VARIABLE: str(process.detach())})
    parent.ready()
    assert supervisor.recv(10) == b"ready"
    supervisor.close()
    parent.ready()
    parent._line.close()
