"""A server in a process of its own, as users start it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

NAME, PASSWORD = "root@example.com", "A-long-Passw0rd"
READY = "Tidegate is ready at "


class Served(NamedTuple):
    """Where a server is, and a token of its administrator where it asks who one is."""

    url: str
    token: str | None

    @property
    def environment(self) -> dict[str, str]:
        """For a process that is to find it: TIDEGATE_URL, TIDEGATE_TOKEN."""
        return {**os.environ, "TIDEGATE_URL": self.url, "TIDEGATE_TOKEN": self.token or ""}


@contextmanager
def served(data: Path, *, signed_in: bool = False, settings: Mapping[str, str] | None = None) -> Iterator[Served]:
    """A server over a data folder while the block is open. `signed_in`: with a first user and a token of his."""
    environment = {**os.environ, **(settings or {})}
    token = _token(data, environment) if signed_in else None
    command = [sys.executable, "-m", "engine", "serve", "--port", "0", "--data", str(data)]
    log = data.parent / "server.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith(READY), log.read_text()
        yield Served(line.removeprefix(READY).strip(), token)
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()
    assert process.returncode == 0, log.read_text()[-2000:]


def _token(data: Path, environment: Mapping[str, str]) -> str:
    _tidegate("user", "add", NAME, "--role", "ADMIN", data=data, environment=environment, given=f"{PASSWORD}\n")
    made = _tidegate("token", "add", NAME, "tests", "--json", data=data, environment=environment)
    token: str = json.loads(made)["fullToken"]
    return token


def _tidegate(*words: str, data: Path, environment: Mapping[str, str], given: str = "") -> str:
    command = [sys.executable, "-m", "engine", *words, "--data", str(data)]
    ran = subprocess.run(command, env=environment, input=given, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout
