"""This module puts the names of a schema and a prefix into statements: the only text that is ever put into one."""

import hashlib
import re

from longshore.core.errors import InvalidOption

SCHEMA_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}", re.ASCII)
PREFIX_NAME = re.compile(r"([a-z][a-z0-9_]{0,19})?", re.ASCII)
"""Lower case and short, because a prefix is not quoted: a table is `{prefix}job`, and PostgreSQL cuts names at 63."""
LONGEST_NAME = 63


class Names:
    """Where the tables of one store are: `{schema}.{prefix}job`."""

    def __init__(self, schema: str, prefix: str) -> None:
        """Raises InvalidOption for names that PostgreSQL would not take as they are, or keeps for itself."""
        if not SCHEMA_NAME.fullmatch(schema) or schema.startswith("pg_") or schema == "information_schema":
            raise InvalidOption(
                "schema", schema, "letters, digits and _, at most 63, not beginning with a digit or pg_"
            )
        if not PREFIX_NAME.fullmatch(prefix):
            raise InvalidOption(
                "prefix", prefix, "lower-case letters, digits and _, at most 20, beginning with a letter"
            )
        self.schema = schema
        self.prefix = prefix

    @property
    def where(self) -> str:
        """For people: the schema, and the prefix where there is one."""
        return f"schema {self.schema}" + (f", prefix {self.prefix}" if self.prefix else "")

    @property
    def channel(self) -> str:
        """Of LISTEN and NOTIFY; other stores of the same database have others. A payload is `kind:queue`."""
        plain = f"longshore:{self.schema}:{self.prefix}"
        if len(plain) <= LONGEST_NAME:
            return plain
        return "longshore:" + hashlib.sha256(plain.encode()).hexdigest()[:32]

    def fill(self, statement: str) -> str:
        """The statement with `{schema}`, which comes with its quotes, and `{prefix}` filled in."""
        return statement.replace("{schema}", f'"{self.schema}"').replace("{prefix}", self.prefix)

    def fill_draft(self, statement: str) -> str:
        """The same for a draft that nobody else sees: in the schema of this session's temporary tables."""
        return statement.replace("{schema}", "pg_temp").replace("{prefix}", self.prefix)
