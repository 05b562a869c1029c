"""This module judges the machine and the settings for `longshore doctor`: facts in, findings out.

Each check is a function of facts, so that a test can plant a misconfiguration without having one.
"""

from collections.abc import Iterator, Mapping

import msgspec

from longshore.manager.settings import DAY_SECONDS, STAND_INS, Reading, without_secrets
from longshore.store.replies import Finding

INITS = frozenset(
    {
        "systemd",
        "init",
        "launchd",
        "procd",
        "openrc-init",
        "s6-svscan",
        "runit",
        "runsvdir",
        "tini",
        "tini-static",
        "docker-init",
        "podman-init",
        "dumb-init",
        "catatonit",
        "conmon",
        "pause",
    }
)
"""What is known to reap orphans and pass signals on as the first process of a machine or container."""

DEBUGGING_VARIABLES = ("PYTHONASYNCIODEBUG", "PYTHONDEVMODE", "PYTHONTRACEMALLOC", "PYTHONMALLOC")
OPEN_FILES_NEEDED = 1024
LONGEST_USUAL_GRACE = 30.0
"""Seconds from SIGTERM to SIGKILL on Kubernetes; Docker gives 10, systemd 90."""
SHORTEST_SENSIBLE_LEASE = 5.0
EARLIEST_MS = 1_767_225_600_000
"""The beginning of 2026, before which this Longshore was not there: a clock that shows less is wrong."""
LARGEST_SENSIBLE_PAYLOAD_BYTES = 16 * 1_048_576


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What was found about the machine and this process."""

    is_root: bool = False
    first_process: str | None = None
    """The name of process 1; None where it cannot be known."""
    open_files_limit: int | None = None
    environ: Mapping[str, str] = {}
    now_ms: int = EARLIEST_MS
    prerelease: str | None = None
    """The version of Python, where that is not a final one."""
    outdated: tuple[str, ...] = ()
    """Libraries that are older than this Longshore needs: `apsw 3.45 (needs 3.54)`."""
    readable_by_all: frozenset[str] = frozenset()
    """Origins of settings that are files which every user of the machine may read."""


def examine_machine(machine: Machine) -> Iterator[Finding]:
    """What is wrong with where we run."""
    if machine.is_root:
        yield Finding(
            "warning",
            "root",
            "This process runs as root, and so would every task.",
            "Run the workers as a user of their own that owns nothing but their data.",
        )
    if machine.first_process is not None and machine.first_process not in INITS:
        yield Finding(
            "warning",
            "no-init",
            f"Process 1 is '{machine.first_process}', which is no init: orphans of tasks stay "
            "as zombies and a shell there swallows SIGTERM.",
            "Start the container with an init: docker run --init, or tini as its entry point.",
        )
    if machine.open_files_limit is not None and machine.open_files_limit < OPEN_FILES_NEEDED:
        yield Finding(
            "warning",
            "open-files",
            f"Only {machine.open_files_limit} files and connections may be open at once.",
            f"Raise the limit to {OPEN_FILES_NEEDED} or more (ulimit -n, LimitNOFILE=).",
        )
    yield from _of_the_runtime(machine)
    debugging = [name for name in DEBUGGING_VARIABLES if machine.environ.get(name)]
    if debugging:
        yield Finding(
            "warning",
            "debugging",
            f"{', '.join(debugging)} is set: everything runs several times slower.",
            "Unset it where work is done for real.",
        )


def _of_the_runtime(machine: Machine) -> Iterator[Finding]:
    if machine.now_ms < EARLIEST_MS:
        yield Finding(
            "error",
            "clock-wrong",
            "This machine's clock shows a time before this Longshore was made: jobs are scheduled, leased and pruned "
            "at wrong times.",
            "Set the clock, and keep it set: timedatectl set-ntp true, or chrony.",
        )
    if machine.prerelease is not None:
        yield Finding(
            "warning",
            "unfinished-python",
            f"Python {machine.prerelease} is not a final release.",
            "Use a final release of Python 3.11 or newer.",
        )
    if machine.outdated:
        yield Finding(
            "error",
            "old-library",
            f"Older than this Longshore needs: {', '.join(machine.outdated)}.",
            "pip install --upgrade longshore, with its extras; another package may ask for an older one.",
        )


def examine_settings(reading: Reading, machine: Machine) -> Iterator[Finding]:
    """What is wrong with the settings."""
    settings = reading.settings
    for warning in reading.warnings:
        mistake, _, remedy = warning.partition(". ")
        yield Finding("warning", "unknown-variable", f"Nothing reads it: {mistake}.", remedy)
    yield from _of_the_url(reading, machine)
    yield from _secrets(reading, machine)
    if settings.lease < SHORTEST_SENSIBLE_LEASE:
        yield Finding(
            "warning",
            "short-lease",
            f"A worker that is held up for {settings.lease:g} s, by a slow disk or a busy machine, loses its jobs, and "
            "they run twice.",
            "Set LONGSHORE_LEASE to 30 or so.",
        )
    if settings.log_level == "DEBUG":
        yield Finding(
            "warning", "log-level", "The log level is DEBUG: logs grow fast.", "Set LONGSHORE_LOG_LEVEL=INFO."
        )
    if settings.grace > LONGEST_USUAL_GRACE:
        yield Finding(
            "warning",
            "long-grace",
            f"Workers take up to {settings.grace:g} s to stop, and Kubernetes kills after 30 s "
            "and Docker after 10 s; what is killed is run again only after its lease.",
            "Set terminationGracePeriodSeconds, stop_grace_period or TimeoutStopSec above LONGSHORE_GRACE.",
        )
    if settings.retention_completed is None and settings.retention_count is None:
        yield Finding(
            "warning",
            "no-retention",
            "Completed jobs are kept for ever: the store grows without end.",
            "Set LONGSHORE_RETENTION_COMPLETED (seconds) or LONGSHORE_RETENTION_COUNT.",
        )
    if settings.retention_failed is not None and settings.retention_failed < DAY_SECONDS:
        yield Finding(
            "warning",
            "short-dead-letters",
            "Dead letters are forgotten within a day, perhaps before anyone has looked.",
            "Raise LONGSHORE_RETENTION_FAILED, or unset it to keep them.",
        )
    if settings.payload_limit > LARGEST_SENSIBLE_PAYLOAD_BYTES:
        yield Finding(
            "warning",
            "large-payloads",
            f"A job may carry {settings.payload_limit:,} bytes, which every claim reads and writes.",
            "Keep large data in files or a bucket and pass its key; lower LONGSHORE_PAYLOAD_LIMIT.",
        )


def _of_the_url(reading: Reading, machine: Machine) -> Iterator[Finding]:
    origin = reading.origins["url"]
    if origin == "default":
        yield Finding(
            "warning",
            "default-url",
            "No URL is set: the store is a file in whatever directory a process starts in, "
            "and producers and workers that start elsewhere have another.",
            "Set LONGSHORE_URL, or url in longshore.toml, to an absolute place.",
        )
    if origin in STAND_INS and all(machine.environ.get(name) for name in STAND_INS):
        yield Finding(
            "warning",
            "ambiguous-url",
            f"{' and '.join(STAND_INS)} are both set, and {origin} was taken.",
            "Say which store is meant: set LONGSHORE_URL.",
        )


def _secrets(reading: Reading, machine: Machine) -> Iterator[Finding]:
    url, origin = reading.settings.url, reading.origins["url"]
    if without_secrets(url) != url and origin in machine.readable_by_all:
        yield Finding(
            "error",
            "readable-secret",
            f"Everybody on this machine may read the secret in the URL in {origin}.",
            "chmod 600 the file, or set LONGSHORE_URL in the environment instead.",
        )
