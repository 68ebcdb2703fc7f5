"""The log of the process."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from engine.observe.log import write_log


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("tidegate")
    handlers, levels = list(root.handlers), (root.level, ours.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


def test_json_lines_have_what_was_given_and_the_exception(capsys: pytest.CaptureFixture[str]) -> None:
    write_log("json", "INFO")
    log = logging.getLogger("tidegate.flows")
    log.debug("not this")
    log.info("stored %s", "a.b", extra={"execution": "x1"})
    try:
        raise ValueError("odd\nthing")
    except ValueError:
        log.exception("failed")
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert first["message"] == "stored a.b"
    assert (first["level"], first["logger"], first["execution"]) == ("INFO", "tidegate.flows", "x1")
    assert first["time"].endswith("Z")
    assert second["exception"].endswith("ValueError: odd\nthing")


def test_text_lines_hold_one_record_each(capsys: pytest.CaptureFixture[str]) -> None:
    write_log("text", "WARNING")
    logging.getLogger("tidegate").info("not this")
    logging.getLogger("tidegate").warning("two\nlines")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("WARNING two lines")
