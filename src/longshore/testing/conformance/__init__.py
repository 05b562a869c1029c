"""This package is the store contract as tests. Whoever writes a store runs them; a store that passes is one.

    # tests/test_my_store.py
    from longshore.testing.conformance import conform

    TestMyStore = conform(lambda place: MyStore(place / "jobs"), round_trips=lambda store: store.statements)

Each theme of `store/contract.py` has a module of plain functions here, each named by the sentence it proves. They
use the verbs of the contract and nothing else, so no store can be excused from one. pytest is all they need.
"""

import asyncio
import functools
import inspect
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest

from longshore.store.contract import Store
from longshore.testing.conformance.handles import StoreUnderTest

__all__ = ["THEMES", "StoreUnderTest", "conform"]

THEMES = (
    "insert",
    "adopt",
    "claim",
    "settle",
    "fences",
    "change",
    "updates",
    "notes",
    "leases",
    "rescue",
    "promote",
    "reading",
    "paging",
    "many_jobs",
    "counting",
    "records",
    "flow",
    "limits_returned",
    "tuning",
    "rates",
    "fairness",
    "unique",
    "room",
    "edges",
    "cascades",
    "parents",
    "blocked",
    "rejoining",
    "limits_under_load",
    "rings",
    "wakeups",
    "durable",
    "lifecycle",
    "races",
    "roundtrips",
)
"""The modules with the tests."""

TEST_SECONDS = 30
"""A test that takes longer hangs: the whole suite takes about as long on a slow disk."""

AnyStore = TypeVar("AnyStore", bound=Store)
Test = Callable[..., Coroutine[Any, Any, None]]

pytest.register_assert_rewrite(
    *(f"{__name__}.{theme}" for theme in THEMES)
)  # to show the values of a failed `assert`


def conform(
    make_store: Callable[[Path], AnyStore],
    *,
    round_trips: Callable[[AnyStore], int],
    themes: Sequence[str] = THEMES,
) -> type:
    """All tests of the contract for one kind of store: a class that pytest collects under a name like `TestMine`.

    `make_store(place)` gives a store that was not opened. `place` is an empty folder of the test's own; its name
    may serve as the name of a schema or a prefix. Asked again with the same place it gives another handle on the
    same jobs, as another process would have. `round_trips(store)` says how often that handle has gone to wherever
    the jobs are, counted from any moment: statements, commands, transactions, whatever costs a journey. `themes` are
    for a store whose queues differ, and which is tested in several ways: together they must be all.
    """

    def under_test(folder: Path) -> StoreUnderTest:
        return StoreUnderTest(make_store, cast("Callable[[Store], int]", round_trips), folder)

    return type("Conformance", (), {_class_name(theme): _tests(theme, under_test) for theme in themes})


def _class_name(theme: str) -> str:
    return f"Test{theme.capitalize()}"


def _tests(theme: str, under_test: Callable[[Path], StoreUnderTest]) -> type:
    module = import_module(f"{__name__}.{theme}")
    found = {name: test for name, test in vars(module).items() if name.startswith("test_")}
    methods = {name: _method(test, under_test) for name, test in found.items()}
    return type(_class_name(theme), (), {"__doc__": module.__doc__, **methods})


def _method(test: Test, under_test: Callable[[Path], StoreUnderTest]) -> Callable[..., None]:
    """The test as a method for pytest: `store` and `kit` are given by us, its other parameters by pytest."""
    wanted = inspect.signature(test).parameters

    @functools.wraps(test)
    def method(self: object, tmp_path: Path, **parameters: object) -> None:  # noqa: ARG001 - pytest gives an instance
        asyncio.run(_run(test, wanted.keys(), under_test(tmp_path), parameters))

    own = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in ("self", "tmp_path")]
    given = [parameter for name, parameter in wanted.items() if name not in {"store", "kit"}]
    method.__signature__ = inspect.Signature([*own, *given])  # type: ignore[attr-defined]  # what pytest reads
    return method


async def _run(
    test: Test, wanted: Collection[str], kit: StoreUnderTest, parameters: Mapping[str, object]
) -> None:
    """One test on a store that is open, and closed in the end with everything that was opened besides."""
    async with asyncio.timeout(TEST_SECONDS):
        await kit.store.open()
        try:
            ours = {"store": kit.store, "kit": kit}
            await test(**{name: value for name, value in ours.items() if name in wanted}, **parameters)
        finally:
            await kit.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:  # one that was cancelled may need a turn to end
        _, others = await asyncio.wait(others, timeout=1)
    assert not others, f"closing the store left tasks behind: {others}"
