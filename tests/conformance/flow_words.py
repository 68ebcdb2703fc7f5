"""What the words mean that stand in tables in the place of a value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from engine.files.addresses import SCHEME
from engine.state.sealed import is_sealed
from engine.state.status import Status

NEAR_SECONDS = 10


def _is_near_now(value: Any) -> bool:
    moment = datetime.fromisoformat(str(value))
    return abs((datetime.now(UTC) - moment).total_seconds()) < NEAR_SECONDS


def _is_file(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(SCHEME)


WORDS: Mapping[str, Callable[[Any], bool]] = {
    "not null": lambda value: value is not None,
    "a date within 10 s of now": _is_near_now,
    "cipher text": is_sealed,
    "terminated": lambda value: Status(value).terminal,
    # How far a worker has come with it since is up to the worker.
    "CREATED, handed to a worker": lambda value: value in ("CREATED", "RUNNING", "SUCCESS"),
    "a URI": _is_file,
    "a URI containing the execution id": lambda value: _is_file(value) and "/executions/" in value,
    "differ from the source execution (run at index 1 checked)": lambda value: value == "differ",
}
