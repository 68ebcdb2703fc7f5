"""What nobody foresaw: one sentence for the person, the details in a file."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import traceback

_reported: list[str] = []


class Reporter(logging.Handler):
    """Shows a log record in one sentence; its traceback goes to the file of details."""

    def emit(self, record: logging.LogRecord) -> None:
        fault = record.exc_info[1] if record.exc_info else None
        if fault is None:
            sys.stderr.write(f"{record.levelname.capitalize()}: {record.getMessage()}\n")
        else:
            report(fault)


def watch_logs() -> None:
    """Let no library write a traceback over what a person reads."""
    logging.basicConfig(handlers=[Reporter()], level=logging.WARNING)


def report(fault: BaseException) -> None:
    """Tell of a fault on standard error."""
    if isinstance(fault, BrokenPipeError):
        # Whoever read our output has read enough; what is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    elif isinstance(fault, OSError) and fault.filename is not None:
        sys.stderr.write(f"Error: {os.fsdecode(fault.filename)}: {fault.strerror}\n")
    else:
        first = fault
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        text = " ".join(str(first).split())
        said = f"{type(first).__name__}: {text[:300]}" if text else type(first).__name__
        sys.stderr.write(f"Error: Tidegate itself made a mistake ({said}); the details are in {_written(fault)}\n")


def _written(fault: BaseException) -> str:
    """The name of the file that has the traceback; one for all faults of this process."""
    details = "".join(traceback.format_exception(fault))
    try:
        if not _reported:
            handle, name = tempfile.mkstemp(prefix="tidegate-fault-", suffix=".txt")
            os.close(handle)
            _reported.append(name)
        with open(_reported[0], "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(details)
    except OSError as error:
        return f"no file, for none could be written: {error.strerror}"
    return _reported[0]
