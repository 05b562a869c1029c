"""This module sets up what a worker writes to stderr: one line a record, for people or as JSON."""

import json
import logging
import sys
from datetime import UTC, datetime

from longshore.core.printing import visible

STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""What every record has; the rest was given by the caller as `extra`."""


class LineFormatter(logging.Formatter):
    """`2026-01-31T12:00:00.123Z INFO longshore.worker: …`"""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(visible(line) for line in super().format(record).split("\n"))

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802 - theirs
        return stamp(record)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: at, level, logger, message, error, and what the caller gave as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": stamp(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
            **{key: value for key, value in vars(record).items() if key not in STANDARD},
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def stamp(record: logging.LogRecord) -> str:
    """When the record was made: ISO 8601, UTC, milliseconds."""
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def set_up_logging(level: str, *, as_json: bool) -> None:
    """Sends everything from this level on to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else LineFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
