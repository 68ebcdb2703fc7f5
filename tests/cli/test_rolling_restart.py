"""Servers that take over from each other while others start executions."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Any

from support.command_line import Place

FLOW = """
id: works
namespace: n
tasks:
  - {id: wait, type: core.flow.Sleep, duration: PT0.1S}
  - {id: say, type: core.debug.Return, format: done}
"""
SECONDS = 40


def ask(method: str, url: str) -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=20) as answer:
        return json.load(answer)


class Callers:
    """Start executions one after another, again where nobody answers; keeps the ids and the longest silence."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/api/v1/main/executions/n/works"
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(3)]
        self.made: list[str] = []
        self.silence = 0.0

    def __enter__(self) -> Callers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _call(self) -> None:
        heard = time.monotonic()
        while not self._over.is_set():
            try:
                self.made.append(ask("POST", self._url)["id"])
            except (urllib.error.URLError, HTTPException, OSError):
                continue
            self.silence = max(self.silence, time.monotonic() - heard)
            heard = time.monotonic()

    def more(self, count: int) -> None:
        """Wait until so many more were made."""
        wanted = len(self.made) + count
        deadline = time.monotonic() + SECONDS
        while len(self.made) < wanted:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def serve(place: Place, port: int) -> subprocess.Popen[str]:
    server = place.start("serve", "--port", str(port), "--reuse-port", "--flows", str(place.folder / "flows"))
    assert server.stdout is not None
    assert "ready" in server.stdout.readline()
    return server


def stop(server: subprocess.Popen[str]) -> None:
    server.send_signal(signal.SIGTERM)
    _, err = server.communicate(timeout=SECONDS)
    assert (server.returncode, err) == (0, "")


def test_no_execution_is_lost_while_servers_take_over_from_each_other(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (tmp_path / "flows").mkdir()
    place.flow(FLOW, "flows/works.yaml")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    server = serve(place, port)
    with Callers(url) as callers:
        for _ in range(2):
            callers.more(20)
            following = serve(place, port)
            stop(server)
            server = following
        callers.more(20)
    ended = {}
    deadline = time.monotonic() + SECONDS
    for id in callers.made:
        while ended.get(id) not in ("SUCCESS", "FAILED"):
            assert time.monotonic() < deadline
            ended[id] = ask("GET", f"{url}/api/v1/main/executions/{id}")["state"]["current"]
    stop(server)
    assert set(ended.values()) == {"SUCCESS"}
    # A server that listens all the time: nobody waited for one to start.
    assert callers.silence < SECONDS / 4
