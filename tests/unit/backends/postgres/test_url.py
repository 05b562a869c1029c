"""What a PostgreSQL URL may say, and that no error shows its secrets."""

import random
import re
from pathlib import Path

import pytest

from longshore.backends import open_store
from longshore.backends.postgres.naming import Names
from longshore.backends.postgres.url import OURS, elsewhere, parse
from longshore.core.errors import InvalidOption, SettingsError, UnknownOption

SECRET = "hunter2"


def test_a_plain_url_has_the_defaults() -> None:
    dsn = parse("postgresql://app@db.example/shop")
    assert (dsn.names.schema, dsn.names.prefix, dsn.pool, dsn.notify) == ("longshore", "", 4, None)
    assert dsn.driver_url == dsn.public == "postgresql://app@db.example/shop"
    assert (dsn.deadline_seconds, dsn.connect_seconds, dsn.hosts) == (10, 10, (("db.example", None),))


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg", "postgresql+psycopg"])
def test_the_schemes_of_other_libraries_mean_the_same(scheme: str) -> None:
    assert parse(f"{scheme}://app@db/shop").driver_url == "postgresql://app@db/shop"
    assert open_store(f"{scheme}://app@db/shop").url == "postgresql://app@db/shop"


def test_words_of_the_driver_reach_it_and_ours_do_not() -> None:
    dsn = parse(
        "postgresql://db/shop?sslmode=verify-full&schema=jobs&prefix=a_&pool=2&deadline=3.5&prepared=on"
    )
    assert dsn.driver_url == "postgresql://db/shop?sslmode=verify-full"
    assert (dsn.names.schema, dsn.names.prefix, dsn.pool, dsn.deadline_seconds) == ("jobs", "a_", 2, 3.5)
    assert dsn.prepared is True


def test_several_hosts_share_the_deadline_and_one_must_take_writes() -> None:
    dsn = parse("postgresql://app@one:5433,[::1]:5434,three/shop")
    assert dsn.hosts == (("one", 5433), ("::1", 5434), ("three", None))
    assert dsn.connect_seconds == pytest.approx(10 / 3)
    assert "target_session_attrs=read-write" in dsn.driver_url
    assert (
        "target_session_attrs=any" in parse("postgresql://one,two/shop?target_session_attrs=any").driver_url
    )


def test_hosts_may_stand_in_the_query_as_libpq_has_them() -> None:
    assert parse("postgresql:///shop?host=/run/postgresql").hosts == (("/run/postgresql", None),)
    assert parse("postgresql:///shop?host=one,two&port=1,2").hosts == (("one", 1), ("two", 2))
    assert parse("postgresql:///shop?host=one,two&port=5").hosts == (("one", 5), ("two", 5))


def test_a_misspelt_option_is_refused_with_the_one_that_was_meant() -> None:
    with pytest.raises(UnknownOption, match="Did you mean 'schema'"):
        parse("postgresql://db/shop?shema=jobs")


def test_the_how_to_page_lists_every_word_of_ours() -> None:
    page = Path(__file__).parents[4].joinpath("docs/how-to/postgresql.md").read_text()
    listed = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    assert listed == OURS | {"application_name"}


@pytest.mark.parametrize(
    "words", ["pool=0", "pool=5", "pool=many", "deadline=0", "deadline=1e9", "deadline=-1", "prepared=yes"]
)
def test_values_that_no_store_can_have_are_refused_by_name(words: str) -> None:
    with pytest.raises(InvalidOption, match=words.partition("=")[0]):
        parse(f"postgresql://db/shop?{words}")


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://app:{SECRET}@db/shop",
        f"postgresql://app@db/shop?password={SECRET}&sslpassword={SECRET}",
        f"postgresql://app@db/shop?notify=postgresql%3A//app%3A{SECRET}%40db/shop",
        f"postgresql://app:p%40{SECRET}@one,two/shop",
    ],
)
def test_passwords_are_never_shown(url: str) -> None:
    dsn = parse(url)
    assert SECRET not in dsn.public
    assert "app@" in dsn.public
    assert SECRET in dsn.driver_url + (dsn.notify or "")


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://app:{SECRET}/@db:port/shop",
        f"postgresql://app:{SECRET}@[::1/shop",
        "postgresql://db?x",
        "postgresql://db:99999/shop",
        "postgresql://db:0/shop",
        "postgresql:///shop?host=db&port=99999",
    ],
)
def test_a_url_that_cannot_be_read_is_not_repeated(url: str) -> None:
    with pytest.raises(SettingsError) as raised:
        parse(url)
    assert SECRET not in str(raised.value)


def test_the_way_to_listen_has_the_names_and_the_deadline_of_the_store() -> None:
    dsn = parse("postgresql://pool:6432/shop?schema=jobs&deadline=3&notify=postgresql://db:5432/shop")
    other = elsewhere(dsn)
    assert (other.hosts, other.names.schema, other.deadline_seconds) == ((("db", 5432),), "jobs", 3)
    assert elsewhere(parse("postgresql://db/shop")).driver_url == "postgresql://db/shop"


# ------------------------------------------------------------------------------------------------------- names


def hostile_names(count: int) -> list[str]:
    """Names that would change a statement, or be another name than they seem, if they were let through."""
    bad = [
        '"',
        "'",
        ";",
        "--",
        "/*",
        "\\",
        "$$",
        "\0",
        "\n",
        " ",
        ".",
        "{schema}",
        "é",
        "\u200b",
        "%s",
        "()",
        "-",
        "E'",
    ]
    draw = random.Random(38)
    made = {
        "",
        "1st",
        "pg_catalog",
        "pg_temp",
        "information_schema",
        "a" * 64,
        '"; DROP SCHEMA longshore CASCADE; --',
    }
    while len(made) < count:
        letters = [draw.choice("abcXYZ_09") for _ in range(draw.randint(0, 12))]
        letters.insert(draw.randint(0, len(letters)), draw.choice(bad))
        made.add("".join(letters))
    return sorted(made)


def test_five_hundred_hostile_names_are_refused_as_schemas_and_as_prefixes() -> None:
    """Nothing but names of letters, digits and underscores is ever put into a statement."""
    names = hostile_names(500)
    assert len(names) == 500
    for name in names:
        with pytest.raises(InvalidOption):
            Names(name, "")
        if name:
            with pytest.raises(InvalidOption):
                Names("longshore", f"{name}\n" if name.isidentifier() else name)


def test_names_are_filled_into_statements_with_their_quotes() -> None:
    filled = Names("Jobs_1", "a_").fill("SELECT * FROM {schema}.{prefix}job")
    assert filled == 'SELECT * FROM "Jobs_1".a_job'


def test_a_channel_is_the_stores_own_and_no_longer_than_postgresql_takes() -> None:
    assert Names("longshore", "").channel == "longshore:longshore:"
    long = [Names("s" * 63, "").channel, Names("s" * 62 + "t", "").channel, Names("s" * 63, "p").channel]
    assert len(set(long)) == 3
    assert max(map(len, long)) <= 63
