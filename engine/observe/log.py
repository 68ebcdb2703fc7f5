"""The log of the process itself, on standard error: a line for people, or a JSON object for programs."""

from __future__ import annotations

import logging
import sys
import traceback
from typing import Any

import msgspec

from engine.clock import iso

# What every record has; whatever else there is was given with it.
USUAL = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}

_encode = msgspec.json.Encoder(enc_hook=str).encode


class JsonLines(logging.Handler):
    """Each record as one line of JSON: time, level, logger, message, what was given with it, exception."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(f"{_encode(fields(record)).decode()}\n")


class TextLines(logging.Handler):
    """Each record as one line: time, level, message; the place of a fault in one more."""

    def emit(self, record: logging.LogRecord) -> None:
        message = " ".join(record.getMessage().splitlines())
        sys.stderr.write(f"{iso(int(record.created * 1000))} {record.levelname:<7} {message}\n")
        if record.exc_info and record.exc_info[1]:
            sys.stderr.write(f"{_told(record.exc_info[1])}\n")


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """What a record says, by name."""
    told: dict[str, Any] = {
        "time": iso(int(record.created * 1000)),
        "level": record.levelname,
        "logger": record.name,
        "message": record.getMessage(),
    }
    told |= {name: value for name, value in record.__dict__.items() if name not in USUAL and value is not None}
    if record.exc_info and record.exc_info[1]:
        told["exception"] = _told(record.exc_info[1])
    return told


def _told(fault: BaseException) -> str:
    return "".join(traceback.format_exception(fault)).rstrip()


def write_log(form: str, level: str) -> None:
    """Let the log of this process be written in a form (text, json) from a level on."""
    handler = JsonLines() if form == "json" else TextLines()
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("tidegate").setLevel(level)
