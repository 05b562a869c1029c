"""URLs of Redis stores: what they say, what they must not say, and that no password gets out."""

import pytest
from rich.pretty import pretty_repr

from longshore.backends.redis.url import Host, Kind, read_url
from longshore.core.errors import InvalidOption, SettingsError, UnknownOption


def test_one_server_has_a_host_a_port_and_a_database():
    address = read_url("redis://jobs.example:7000/3")
    assert (address.kind, address.hosts, address.db) == (Kind.SINGLE, (Host("jobs.example", 7000),), 3)


def test_what_is_left_out_has_its_usual_value():
    address = read_url("redis://localhost")
    assert (address.hosts, address.db, address.prefix) == ((Host("localhost", 6379),), 0, "ls")


@pytest.mark.parametrize("scheme", ["rediss", "valkeys", "rediss+cluster", "valkeys+sentinel"])
def test_a_scheme_with_an_s_speaks_tls(scheme: str):
    assert read_url(f"{scheme}://host/{'master' if 'sentinel' in scheme else ''}").is_tls


def test_a_cluster_has_several_hosts():
    address = read_url("redis+cluster://a:1,b:2,[::1]:3/")
    assert address.kind is Kind.CLUSTER
    assert address.hosts == (Host("a", 1), Host("b", 2), Host("::1", 3))


def test_sentinels_name_a_master():
    address = read_url("redis+sentinel://a,b:26380/mymaster/2")
    assert (address.master, address.db) == ("mymaster", 2)
    assert address.hosts == (Host("a", 26379), Host("b", 26380))


def test_user_and_password_may_hold_any_character():
    address = read_url("redis://us%40er:p%2Fa%3As@host/0")
    assert (address.username, address.password) == ("us@er", "p/a:s")


def test_a_password_without_a_user_is_that_of_the_default_user():
    address = read_url("redis://:secret@host")
    assert (address.username, address.password) == (None, "secret")


@pytest.mark.parametrize(
    "url",
    [
        "redis://user:secret@host/0",
        "redis+sentinel://user:secret@host/m/0?sentinel_password=secret",
    ],
)
def test_no_text_of_an_address_has_the_password(url: str):
    address = read_url(url)
    assert "secret" not in address.url + repr(address) + str(address) + pretty_repr(address)
    assert "user" in address.url


def test_the_url_without_secrets_reads_as_the_same_place():
    for url in (
        "redis://localhost:6379/0",
        "rediss+cluster://a:1,b:2/0?prefix=x",
        "redis+sentinel://a:1/m/4",
    ):
        assert read_url(url).url == url


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://", "names its server"),
        ("redis://h:port/0", "cannot be read"),
        ("redis://h:99999/0", "cannot be read"),
        ("redis://h/jobs", "no number of a Redis database"),
        ("redis+cluster://h/1", "database 0 only"),
        ("redis+sentinel://h:1", "which master"),
    ],
)
def test_a_url_that_names_no_place_says_how_to_write_it(url: str, words: str):
    with pytest.raises(SettingsError, match=words):
        read_url(url)


def test_a_misspelt_option_is_told_its_neighbour():
    with pytest.raises(UnknownOption, match="Did you mean 'prefix'"):
        read_url("redis://h/0?prefx=a")


@pytest.mark.parametrize(
    "query", ["prefix=a{b", "prefix=", "prefix=*", "deadline=soon", "deadline=0", "deadline=nan"]
)
def test_a_value_that_cannot_be_is_refused(query: str):
    with pytest.raises(InvalidOption):
        read_url(f"redis://h/0?{query}")
