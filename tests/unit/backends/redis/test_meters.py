"""The script's arithmetic of limits and turns is that of Python, to the bit."""

import struct

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from longshore.backends.redis.links import Script
from longshore.backends.redis.ruling import packed_key, read_meter
from longshore.backends.redis.scripts import verb
from longshore.core.rules import FlowKey, LimitKind
from longshore.store.admission import meter_for

NOW = 1_700_000_000_000
ON_DEMAND = verb("settle_ruled").script.text
METERS = ON_DEMAND[
    ON_DEMAND.index("local RULE, KEY") : ON_DEMAND.index("-- part, on demand: what a call knows")
]
LAYOUT = ON_DEMAND[
    ON_DEMAND.index("local sub, byte, char") : ON_DEMAND.index("-- part: the two byte strings")
]
TURNS = ON_DEMAND[ON_DEMAND.index("-- Half to even") : ON_DEMAND.index("local function next_tag")]
APPEND = """
local function append(list, first, second)
  list[#list + 1] = first
  if second ~= nil then list[#list + 1] = second end
end
local now = 0
"""
STEPS = Script(
    "meters",
    LAYOUT
    + APPEND
    + METERS
    + """
local key = cmsgpack.unpack(ARGV[1])
local meter, reply = new_meter(key), {}
for i = 2, #ARGV do
  local what, cost, time = unpack_bytes('<Bdd', ARGV[i])
  now = time
  if what == 0 then meter.used = meter.used + cost end
  if what == 1 then meter.used, meter.held, meter.wanted = meter.used - cost, 1, cost; spend(meter, cost) end
  if what == 2 then follow_key(meter, cmsgpack.unpack(sub(ARGV[i], 18))) end
  append(reply, write_meter(meter))
  local fits, idle = has_room(meter, cost) and 1 or 0, is_idle(meter) and 1 or 0
  append(reply, pack('<ddBB', room_of(meter), due_ms(meter) or -1, fits, idle))
end
return reply
""",
)
ROUNDED = Script("rounded", TURNS + "return string.format('%.17g', rounded(tonumber(ARGV[1])))")

limits = st.builds(
    FlowKey,
    rule=st.just("r"),
    key=st.just("k"),
    kind=st.sampled_from(LimitKind),
    limit=st.integers(1, 1000),
    per_ms=st.sampled_from((1, 7, 1000, 60_000, 86_400_000)),
    burst=st.integers(1, 100),
)
steps = st.tuples(st.integers(0, 2), st.integers(1, 9), st.integers(0, 3000), limits)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=limits, walk=st.lists(steps, min_size=1, max_size=20))
async def test_a_meter_of_the_script_is_that_of_python_to_the_bit(links, key, walk):
    meter, now, words, expected = meter_for("q", key), NOW, [packed_key(key)], []
    for what, cost, passed, other in walk:
        now += passed
        words.append(struct.pack("<Bdd", what, cost, now) + packed_key(other))
        if what == 0:
            meter.used += cost
        elif what == 1:
            meter.used, meter.held, meter.wanted = meter.used - cost, 1, cost
            meter.spend(cost, now)
        else:
            meter.follow(other, now)
        due_ms = meter.due_ms(now)
        told = (
            meter.room(now),
            -1 if due_ms is None else due_ms,
            meter.has_room(cost, now),
            meter.is_idle(now),
        )
        expected.append((msgspec.structs.replace(meter), struct.pack("<ddBB", *told)))
    reply = await links.call(STEPS, [b"k"], words)
    found = [(read_meter("q", "r:k", one), other) for one, other in zip(reply[::2], reply[1::2], strict=True)]
    assert found == expected


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 4000).map(lambda number: number / 2) | st.floats(0, 1e6))
async def test_weights_are_rounded_as_python_rounds(links, number):
    assert float(await links.call(ROUNDED, [b"k"], [repr(number)])) == round(number)
