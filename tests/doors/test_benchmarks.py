"""The benchmarks: the whole suite runs from its command line with tiny sizes. No figure is judged here."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(180)  # dozens of processes, one after another

RUN = Path(__file__).parents[2] / "benchmarks" / "run.py"
EVERYWHERE = {
    "drain",
    "limited_none",
    "limited_rate",
    "limited_key",
    "workflow_none",
    "workflow_steps",
    "workflow_start",
    "one",
    "concurrent",
    "bulk",
    "latency_p50",
    "latency_p99",
    "io",
    "threads",
}
ON_DISK = {
    "bare_drain",
    "bare_claim_settle",
    "bare_one",
    "bare_start",
    "bare_bulk",
    "bare_io",
    "bare_threads",
    "drain2",
    "size",
}
LONG = ("idle", "memory", "backlog", "history")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The suite, as somebody types it."""
    return subprocess.run(
        [sys.executable, str(RUN), "--scale", "0.0001", "--repeat", "1", *arguments],
        env=os.environ | {"PYTHONPATH": str(RUN.parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )


def measured(*arguments: str) -> dict[str, dict[str, Any]]:
    """What a run found, by measure."""
    done = run("--json", *arguments)
    assert done.returncode == 0, done.stderr
    return {line["measure"]: line for line in json.loads(done.stdout)["lines"]}


def test_every_short_measure_has_a_figure_on_memory():
    names = (
        "drain",
        "limited",
        "workflows",
        "one",
        "concurrent",
        "bulk",
        "latency",
        "io",
        "threads",
        "backlog",
    )
    lines = measured(*names, "--store", "memory")
    assert lines.keys() == EVERYWHERE | {"backlog"}
    assert all(line["figure"] > 0 for line in lines.values())


def test_every_short_measure_has_a_figure_on_sqlite_and_shares_of_the_bare_limits():
    names = (
        "limits",
        "drain",
        "drain2",
        "limited",
        "workflows",
        "one",
        "concurrent",
        "bulk",
        "latency",
        "io",
        "threads",
        "size",
    )
    lines = measured(*names, "--store", "sqlite")
    assert lines.keys() == EVERYWHERE | ON_DISK
    assert lines["drain"]["limit"] == "bare drain"
    assert lines["drain"]["share"] > 0


def test_a_queue_of_one_process_is_measured_without_a_store():
    """S0.1"""
    assert measured("batched", "--store", "memory").keys() == {"batched_one", "batched_many"}


def test_the_long_measures_have_figures_on_sqlite():
    lines = measured(*LONG, "--store", "sqlite")
    assert lines.keys() == {"idle_cpu", "idle_calls", "memory", "memory_growth", "backlog", "history"}


@pytest.mark.parametrize("store", ["postgres", "redis"])
def test_a_store_on_a_server_is_compared_with_its_bare_driver(store: str):
    lines = measured("trips", "one", "drain", "latency", "--store", store)
    assert lines.keys() == {"trips", "one", "drain", "latency_p50", "latency_p99"}
    assert lines["one"]["limit"] == "bare commit or trip"


def test_a_run_for_people_is_a_table_that_names_the_machine():
    done = run("limits", "--store", "sqlite")
    assert "bare_drain" in done.stdout
    assert f"Python {sys.version_info.major}" in done.stdout.replace("CPython", "Python")


@pytest.mark.parametrize("arguments", [("speed",), ("drain", "one-by-one")])
def test_a_measure_that_does_not_exist_is_named_with_those_that_do(arguments: tuple[str, ...]):
    done = run(*arguments)
    assert done.returncode == 2
    assert arguments[-1] in done.stderr
    assert "concurrent" in done.stderr
