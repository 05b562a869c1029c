"""This module is `longshore migrate`: how the store's schema stands, and bringing it to the newest version."""

import click

from longshore.cli.failures import FAILED
from longshore.cli.options import closed_store, given, run, url_option
from longshore.manager.settings import load_settings
from longshore.store.replies import Migration


@click.command()
@url_option
@click.option("--check", is_flag=True, help="Change nothing; exit code 1 when steps are pending.")
@click.option("--sql", is_flag=True, help="Change nothing; print the statements of the pending steps.")
def migrate(url: str | None, *, check: bool, sql: bool) -> int:
    """Bring the store to the newest schema.

    A new store needs no migration: it is made when it is first opened. Run this once after an upgrade, before the new
    workers start.
    """
    found = run(_migrate(url, apply=not (check or sql)))
    if sql:
        click.echo(found.sql.rstrip() or "-- nothing to do")
        return 0
    click.echo(sentence(found, applied=not check))
    return FAILED if check and found.pending else 0


def sentence(found: Migration, *, applied: bool) -> str:
    """How the schema stands, in one line."""
    if not found.pending:
        return f"The schema is at version {found.version}, the newest."
    steps = ", ".join(found.pending)
    if applied:
        return f"Done: {steps}. The schema is at version {found.latest}."
    return (
        f"The schema is at version {found.version} of {found.latest}. To do: {steps}. Run: longshore migrate"
    )


async def _migrate(url: str | None, *, apply: bool) -> Migration:
    """How the schema stood, whether or not its steps were then done."""
    async with closed_store(load_settings(given(url=url))) as store:
        before = await store.migrate(apply=False)
        if apply:
            await store.migrate()
        return before
