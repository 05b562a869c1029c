"""What goes along with work: the context that jobs inherit."""

from contextvars import copy_context

from longshore.core.context import bind_context, carried, current_context, restore


def test_values_are_bound_inside_the_block_and_gone_after_it():
    with bind_context(user="7"), bind_context(tenant="acme"):
        assert dict(current_context()) == {"user": "7", "tenant": "acme"}
    assert dict(current_context()) == {}


def test_a_restored_context_stays_inside_its_own_copy():
    inner = copy_context()
    inner.run(restore, {"user": "7"}, "order-1")
    assert inner[carried].correlation_id == "order-1"
    assert dict(inner.run(current_context)) == {"user": "7"}
    assert dict(current_context()) == {}
