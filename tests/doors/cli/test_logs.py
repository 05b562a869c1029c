"""A worker's log: a line for people, an object for programs."""

import json
import logging
import sys

from longshore.cli.logs import JsonFormatter, LineFormatter


def record(**extra: object) -> logging.LogRecord:
    made = logging.LogRecord("longshore.worker", logging.INFO, "x.py", 1, "claimed %d", (3,), None)
    made.created = 1_700_000_000.123
    vars(made).update(extra)
    return made


def test_a_line_begins_with_time_level_and_name():
    assert LineFormatter().format(record()) == "2023-11-14T22:13:20.123Z INFO longshore.worker: claimed 3"


def test_a_json_line_has_what_the_caller_added():
    line = json.loads(JsonFormatter().format(record(queue="emails")))
    assert (line["at"], line["level"], line["message"], line["queue"]) == (
        "2023-11-14T22:13:20.123Z",
        "INFO",
        "claimed 3",
        "emails",
    )


def test_a_json_line_stays_one_line_with_an_error():
    try:
        raise ValueError("planted")
    except ValueError:
        failed = record()
        failed.exc_info = sys.exc_info()
    text = JsonFormatter().format(failed)
    assert "\n" not in text
    assert "planted" in json.loads(text)["error"]


def test_a_message_cannot_drive_the_terminal_and_a_traceback_keeps_its_lines():
    record = logging.makeLogRecord(
        {"msg": "job \x1b[31m%s\x9b", "args": ("a\nb",), "levelname": "INFO", "name": "x"}
    )
    line = LineFormatter().format(record)
    assert not set(line) & {"\x1b", "\x9b"}
    assert line.count("\n") == 1
