"""Passwords with characters that end a part of a URL: nothing of them is ever told, whatever is made of the URL."""

import random
import string

import pytest

from longshore.backends import open_store
from longshore.backends.postgres.url import parse
from longshore.backends.redis.url import read_url
from longshore.core.errors import LongshoreError, SettingsError
from longshore.manager.settings import without_secrets

SHAPES = [
    "postgresql://app:{}@127.0.0.1:54871/app",
    "postgresql:/app:{}@127.0.0.1:54871/app",
    "postgresql:///app:{}@127.0.0.1:54871/app",
    "postgresql:app:{}@127.0.0.1/app",
    "postgresql//app:{}@127.0.0.1/app",
    "postgresql://app:{}@127.0.0.1/app?notify=postgresql:/app:{}@127.0.0.1/app",
    "redis://:{}@127.0.0.1:63871/0",
    "redis:/:{}@127.0.0.1:63871/0",
    "redis+cluster://app:{}@127.0.0.1:63871",
    "redis+sentinel://app:{}@127.0.0.1:63871/main/0",
    "postgrsql://app:{}@127.0.0.1/app",
    "app:{}@127.0.0.1/app",
    "{}@127.0.0.1:5432",
]


def passwords(count: int) -> list[str]:
    """Of capitals that no message has, in between the characters that matter."""
    draw = random.Random(7)
    return [
        "".join(draw.choice("XQZJKXQZJK" + "@/:#?%=&[]") for _ in range(draw.randint(6, 14)))
        for _ in range(count)
    ]


def pieces(password: str) -> set[str]:
    """All that are long enough to tell something."""
    found = {password[place : place + 3] for place in range(len(password) - 2)}
    return {piece for piece in found if set(piece) & set(string.ascii_letters)}


def told(url: str) -> str:
    """All that anybody may be told of a URL: the errors, or what the store is called."""
    said = []
    for reader in (open_store, parse, read_url):
        try:
            read = reader(url)
            said.append(str(getattr(read, "public", None) or read.url))
        except LongshoreError as error:
            said.append(str(error))
    return "\n".join(said)


@pytest.mark.parametrize("shape", SHAPES)
def test_no_text_has_a_piece_of_a_password(shape: str) -> None:
    for password in passwords(300):
        url = shape.replace("{}", password)
        text = told(url)
        assert not [piece for piece in pieces(password) if piece in text.replace("%40", "@")], (url, text)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:/app:secret@127.0.0.1",
        "postgresql://app:s@cret/x@127.0.0.1:54871/app",
        "redis://:s@cret/x@127.0.0.1:63871/0",
        "redis://:p#w@127.0.0.1:63871/0",
        "redis://:1?w@127.0.0.1:63871/0",
    ],
)
def test_a_password_that_comes_apart_is_told_how_to_be_written(url: str) -> None:
    with pytest.raises(SettingsError, match=r"percent-encoded .@ is %40, / is %2F"):
        open_store(url)


def test_settings_hide_a_password_behind_one_slash_too() -> None:
    assert without_secrets("postgresql:/app:secret@db/x") == "postgresql://***@db/x"
    assert without_secrets("sqlite:////home/a@b/jobs.db") == "sqlite:////home/a@b/jobs.db"


def test_a_bare_at_sign_may_stand_in_the_way_to_listen() -> None:
    url = "postgresql://app@pool/shop?notify=postgresql://app:x@db/shop"
    assert open_store(url).url.startswith("postgresql://app@pool/shop?notify=postgresql://app@db")
