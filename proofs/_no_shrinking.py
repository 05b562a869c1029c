"""This module is a pytest plugin for the proof `mutants`: a walk that finds a bug says so without shrinking it."""

import os

from hypothesis import Phase, settings

settings.register_profile("mutants", phases=[Phase.generate], database=None)
settings.load_profile("mutants")


def pytest_configure() -> None:
    """Makes sure that the sources with the bug are those that are tested, and not the installed ones."""
    import longshore

    sources = os.environ["LONGSHORE_SOURCES"]
    assert str(longshore.__file__).startswith(sources), f"{longshore.__file__} is not in {sources}"
