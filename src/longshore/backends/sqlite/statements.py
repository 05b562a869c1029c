"""This module names the statements of the SQLite store: the files of `queries/`."""

from longshore.backends.resources import read_queries

PACKAGE = "longshore.backends.sqlite"


def sql(name: str) -> str:
    """The statement in `queries/<name>.sql`."""
    return read_queries(PACKAGE)[name]
