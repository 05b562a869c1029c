"""What the scripts get: keys of one slot, under the names of their headers."""

import re
from importlib.resources import files

import pytest

from longshore.backends.redis.keys import HOME, Keys, Line
from longshore.backends.redis.scripts import verb

SCRIPTS = files("longshore.backends.redis") / "scripts"
VERBS = sorted(path.name.removesuffix(".lua") for path in SCRIPTS.iterdir() if path.name.endswith(".lua"))
HEADER = re.compile(
    r"-- verb: .+\n-- keys: .*\|.*\n-- arguments: (.+\n)(--   .+\n)*-- reply: (.+\n)(--   .+\n)*-- include: .+\n"
)


def slot_tag(key: bytes) -> bytes:
    """What decides the slot of a key."""
    return key[key.index(b"{") + 1 : key.index(b"}")]


@pytest.mark.parametrize("name", VERBS)
def test_every_script_says_what_it_takes_and_gives(name):
    assert HEADER.match((SCRIPTS / f"{name}.lua").read_text())


@pytest.mark.parametrize("name", VERBS)
def test_all_keys_of_a_script_lie_in_the_slot_of_its_queue_on_a_cluster(name):
    place = Line("mail", 3) if name == "insert" else "mail"
    assert {slot_tag(key) for key in verb(name).keys(Keys("ls", is_cluster=True), place)} == {b"mail"}


@pytest.mark.parametrize("name", VERBS)
def test_a_script_makes_up_no_keys(name):
    text = verb(name).script.text
    calls = re.findall(r"redis\.call\('(\w+)', ([^,)]+)", text)
    made_up = [call for call in calls if ".." in call[1] and call[0] != "PUBLISH"]
    assert made_up == []


def test_sessions_are_kept_once_for_all_queues_of_one_server():
    keys = Keys("ls")
    assert keys.of(("sessions",), ("jobs",), ["a", "b"]) == (
        b"ls:{.}:sessions",
        b"ls:{a}:jobs",
        b"ls:{b}:jobs",
    )


def test_each_queue_of_a_cluster_has_sessions_beside_it_and_home_has_its_own():
    keys = Keys("ls", is_cluster=True)
    assert keys.of(("sessions",), (), ["a"]) == (b"ls:{a}:sessions",)
    assert keys.of(("sessions",), (), []) == (b"ls:{.}:sessions",)
    assert verb("extend").shared_keys(keys, HOME)[0] == b"ls:{.}:sessions"


def test_ready_stands_for_the_lines_of_all_priorities_and_line_for_one():
    keys = Keys("ls")
    assert keys.of((), ("ready",), ["mail"]) == tuple(b"ls:{mail}:ready%d" % number for number in range(10))
    assert keys.of((), ("line",), [Line("mail", 7)]) == (b"ls:{mail}:ready7",)


def test_prefixes_keep_stores_apart():
    assert not set(verb("settle").keys(Keys("a"), "mail")) & set(verb("settle").keys(Keys("b"), "mail"))


def test_a_claim_is_the_only_script_that_may_not_be_sent_again():
    assert [name for name in VERBS if not verb(name).script.is_repeatable] == ["claim"]
