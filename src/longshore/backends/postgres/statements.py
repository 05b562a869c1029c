"""This module names the statements of the PostgreSQL store: the files of `queries/`, with their names filled in."""

from collections.abc import Mapping

from longshore.backends.postgres.naming import Names
from longshore.backends.resources import read_queries

PACKAGE = "longshore.backends.postgres"


def statements(names: Names) -> Mapping[str, str]:
    """Every statement of `queries/<name>.sql`, for the tables of these names."""
    return {name: names.fill(statement) for name, statement in read_queries(PACKAGE).items()}
