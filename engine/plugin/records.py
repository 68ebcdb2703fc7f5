"""Records in data files: one a line, as JSON or as Ion."""

from __future__ import annotations

from typing import Any

import msgspec

from engine.errors import TaskError
from engine.expressions import ion


def read_record(line: bytes) -> Any:
    """The record of a line: a JSON value, else an Ion value. Raises TaskError."""
    try:
        return msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return ion.loads(line.decode())
    except (ion.IonError, UnicodeDecodeError) as error:
        raise TaskError(f"A line is neither JSON nor Ion: {error}") from None
