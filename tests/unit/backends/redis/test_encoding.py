"""Commands as bytes."""

from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio.connection import Connection

from longshore.backends.redis.wire import Opening, encoded

words = st.binary(max_size=50) | st.text(max_size=20) | st.integers() | st.floats(allow_nan=False)


@given(st.lists(words, min_size=1, max_size=20))
def test_commands_are_sent_as_redis_py_would_send_them(command):
    assert encoded(command) == b"".join(Connection().pack_command("ECHO", *command)).replace(
        b"*%d\r\n$4\r\nECHO\r\n" % (len(command) + 1), b"*%d\r\n" % len(command), 1
    )


@given(st.lists(words, min_size=1, max_size=20), st.lists(words, max_size=20))
def test_an_opening_that_was_made_before_changes_nothing(first, rest):
    assert encoded([Opening.of(first), *rest]) == encoded([*first, *rest])
