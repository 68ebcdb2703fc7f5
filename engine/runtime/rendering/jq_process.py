"""The program of the jq helper process: a request a line in, an answer a line out. Run as a file, never imported.

jq can read files and the environment and may run forever. Here it finds no environment, can open no file, and an alarm
ends the process where the engine no longer can.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from typing import Any

MEMORY = 1 << 30
MODULES = ("module not found", "error loading data file", "error loading module")


def answer(jq: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Results of a program, or the reason why there are none."""
    try:
        return {"results": jq.compile(request["program"]).input_text(request["input"]).all()}
    except ValueError as error:
        reason = str(error).strip()
        if any(mark in reason for mark in MODULES):
            reason = "modules are not available"
        return {"error": reason.removeprefix("jq: error: ").partition("\n")[0]}
    except MemoryError:
        return {"error": "the program needs too much memory"}


def main() -> None:
    os.environ.clear()
    import jq

    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for line in sys.stdin.buffer:
        request = json.loads(line)
        signal.setitimer(signal.ITIMER_REAL, request["seconds"] + 1)
        reply = json.dumps(answer(jq, request))
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.stdout.write(reply + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
