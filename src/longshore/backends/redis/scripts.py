"""This module loads the scripts, one for each verb, and gives them their keys.

A script's header says which keys it wants (`-- keys: shared | of each queue`) and which parts it begins with
(`-- include: …`). From the first are made both the list of keys that is sent and the tables `shared` and
`queue_keys(number)` by which the script calls them, so the two cannot disagree.

Parts that only jobs with rules need come `-- on demand: …`: each function of a script costs 0.1 µs in every call, and
these are made only in a call that asks for `ruling()`.
"""

import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from longshore.backends.redis.keys import HOME, READY, Keys, Line
from longshore.backends.redis.script import Script

_HEADER = re.compile(r"^-- (keys|include|on demand):(.*)$", re.MULTILINE)
NOT_REPEATABLE = frozenset({"claim"})
"""A claim whose reply got lost is undone by its session's lease; all others may be sent again."""

ADDING = frozenset({"insert", "insert_ruled", "adopt"})
"""Not done while the server's memory is nearly full."""


_DECLARED = "local ruling, has_rules"
_ON_DEMAND = """
local rules
local function load_rules()
PARTS
end
has_rules = function() return rules ~= nil end
ruling = function()
  if not rules then
    rules = {}
    load_rules()
  end
  return rules
end
"""


class Verb:
    """A script, and the keys that it wants."""

    def __init__(self, name: str) -> None:
        text = _read(f"{name}.lua")
        headers = {key: value.strip() for key, value in _HEADER.findall(text)}
        shared, _, own = headers["keys"].partition("|")
        self._shared, self._own = tuple(shared.split()), tuple(own.split())
        parts = [_read(f"parts/{part}.lua") for part in headers.get("include", "").split()]
        if demanded := headers.get("on demand"):
            whole_demanded = "".join(_read(f"parts/{part}.lua") for part in demanded.split())
            parts = [_DECLARED, *parts, _ON_DEMAND.replace("PARTS", whole_demanded)]
        whole = "\n".join([_tables(self._shared, self._own), *parts, text])
        self.script = Script(name, whole, is_repeatable=name not in NOT_REPEATABLE, is_adding=name in ADDING)

    def keys(self, keys: Keys, *queues: str | Line) -> tuple[bytes, ...]:
        """Those that the script wants for these queues. None: for what belongs to no queue."""
        return keys.of(self._shared, self._own, [queue for queue in queues if queue != HOME])

    def shared_keys(self, keys: Keys, queue: str) -> tuple[bytes, ...]:
        """The shared keys only, as that queue sees them; HOME for those of no queue."""
        return keys.of(self._shared, (), [queue] if queue != HOME else [])


@cache
def verb(name: str) -> Verb:
    """The script of that name, read once."""
    return Verb(name)


def _read(path: str) -> str:
    return (files(__package__) / "scripts" / path).read_text()


def _tables(shared: Sequence[str], own: Sequence[str]) -> str:
    """The Lua text that gives the keys their names; the lines of `ready` have their priority for a name."""
    named = ", ".join(f"{name} = KEYS[{number}]" for number, name in enumerate(shared, start=1))
    fields, at = [], 0
    for name in own:
        for label in [f"[{priority}]" for priority in range(10)] if name == READY else [name]:
            at += 1
            fields.append(f"{label} = KEYS[first + {at}]")
    return (
        f"local shared = {{ {named} }}\n"
        "local function queue_keys(number)\n"
        f"  local first = {len(shared)} + {at} * number\n"
        f"  return {{ {', '.join(fields)} }}\n"
        "end\n"
    )
