"""This module is `longshore settings`: every setting, its value and where the value came from."""

import os
from pathlib import Path

import click

from longshore.cli.failures import warn
from longshore.cli.options import given, json_option, url_option
from longshore.cli.tables import print_json, print_table
from longshore.manager.settings import ALIASES, describe, read_settings, shown


@click.command()
@url_option
@json_option
def settings(url: str | None, *, as_json: bool) -> None:
    """Print every setting and where it came from.

    Arguments win over LONGSHORE_* variables, these over longshore.toml or [tool.longshore] of pyproject.toml (the
    nearest upwards), these over the defaults. Secrets are never printed.
    """
    reading = read_settings(given(url=url), environ=os.environ, folder=Path.cwd())
    for warning in reading.warnings:
        warn(warning)
    rows = [
        {
            "name": name,
            "value": shown(name, getattr(reading.settings, name)),
            "from": origin,
            "variables": variables(name),
            "meaning": describe(name),
        }
        for name, origin in reading.origins.items()
    ]
    if as_json:
        print_json(rows)
        return
    table = [[row["name"], written(row["value"]), row["from"], row["meaning"]] for row in rows]
    print_table(["SETTING", "VALUE", "FROM", "MEANING"], table, empty="No settings.")


def variables(name: str) -> list[str]:
    """The environment variables that set it, our own first."""
    return [f"LONGSHORE_{name.upper()}"] + [
        f"LONGSHORE_{alias}" for alias, (setting, _) in ALIASES.items() if setting == name
    ]


def written(value: object) -> str:
    """The value as one would write it in a variable or a file."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) and value < 1e6 else str(value)
