"""This module says times to people."""

from datetime import UTC, datetime


def moment(ms: int | None, now_ms: int) -> str:
    """A time to come: `2026-01-31 12:00:00 UTC (in 5 min)`."""
    if ms is None:
        return "as soon as possible"
    exact = exactly(ms)
    return f"{exact} (in {span(ms - now_ms)})" if ms > now_ms else f"{exact} (now due)"


def exactly(ms: int) -> str:
    """A time to the second: `2026-01-31 12:00:00 UTC`."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def ago(ms: int, now_ms: int) -> str:
    """A time that is past: `5 min ago`."""
    return f"{span(now_ms - ms)} ago"


def span(ms: int) -> str:
    """The length in the largest unit that fits twice."""
    seconds = max(0, ms) / 1000
    for unit, size in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 or seconds == 0 else f"{seconds:.1f} s"
