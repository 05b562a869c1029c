"""Which store a URL means, and what whoever mistyped one is told."""

import pytest

from longshore.backends import check_scheme, open_store
from longshore.core.errors import SettingsError


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("postgrsql://app@db/shop", "postgresql://"),
        ("Reddis://db/0", "redis://"),
        ("sqllite:///jobs.db", "sqlite://"),
        ("jobs.db", "sqlite:///jobs.db"),
        ("data/jobs.sqlite3", "sqlite:///data/jobs.sqlite3"),
    ],
)
def test_a_misspelt_scheme_is_told_its_neighbour(url: str, meant: str) -> None:
    with pytest.raises(SettingsError) as raised:
        check_scheme(url)
    assert f"Did you mean {meant}?" in str(raised.value)


def test_a_scheme_like_no_other_gets_no_guess() -> None:
    with pytest.raises(SettingsError, match=r"No store speaks mysql://\. Known: memory://"):
        check_scheme("mysql://db/shop")


def test_the_name_that_sqlalchemy_gives_to_psycopg2_means_postgresql() -> None:
    assert open_store("postgresql+psycopg2://app@db/shop").url == "postgresql://app@db/shop"
