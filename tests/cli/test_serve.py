"""`tidegate serve` as a process."""

from __future__ import annotations

import json
import signal
import socket
import time
import urllib.request
from pathlib import Path
from typing import Any

from support.command_line import Place

FLOW = """
id: slow
namespace: n
tasks:
  - {id: wait, type: core.flow.Sleep, duration: PT0.5S}
"""


def ask(method: str, url: str) -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=20) as answer:
        return json.load(answer)


def test_a_server_stops_when_told_and_the_next_one_goes_on(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (tmp_path / "flows").mkdir()
    place.flow(FLOW, "flows/slow.yaml")
    id = ""
    for turn in range(2):
        with place.start("serve", "--port", "0", "--flows", str(tmp_path / "flows")) as server:
            assert server.stdout is not None
            url = server.stdout.readline().split()[-1]
            if turn == 0:
                id = ask("POST", f"{url}/api/v1/main/executions/n/slow")["id"]
            else:
                shown = ask("GET", f"{url}/api/v1/main/executions/{id}")
                while shown["state"]["current"] not in ("SUCCESS", "FAILED"):
                    shown = ask("GET", f"{url}/api/v1/main/executions/{id}")
                assert shown["state"]["current"] == "SUCCESS"
            server.send_signal(signal.SIGTERM)
            out, err = server.communicate(timeout=20)
        assert (server.returncode, err) == (0, "")
        assert "Tidegate has stopped" in out


def test_a_watched_folder_is_followed(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (tmp_path / "flows").mkdir()
    place.flow(FLOW, "flows/slow.yaml")
    with place.start("server", "local", "--port", "0", "--watch", str(tmp_path / "flows")) as server:
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1]
        flow = f"{url}/api/v1/main/flows/n/slow"
        assert ask("GET", flow)["revision"] == 1
        place.flow(FLOW.replace("core.flow.Sleep", "core.flow.Sleeep"), "flows/slow.yaml")
        assert server.stderr is not None
        assert "is stored as n.slow, revision 1" in server.stderr.readline()
        told = server.stderr.readline()
        assert "Not stored: " in told
        assert "slow.yaml:5" in told
        place.flow(FLOW.replace("PT0.5S", "PT0.1S"), "flows/slow.yaml")
        deadline = time.monotonic() + 30
        while ask("GET", flow)["revision"] != 2:
            assert time.monotonic() < deadline
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=20)
    assert server.returncode == 0


def test_an_address_that_others_reach_is_refused(tmp_path: Path) -> None:
    told = Place(tmp_path).call("serve", "--host", "0.0.0.0", "--port", "0", code=2)
    assert "other machines reach it" in told


def test_a_port_that_is_none_or_taken_is_told(tmp_path: Path) -> None:
    place = Place(tmp_path)
    assert "65535" in place.call("serve", "--port", "65536", code=2)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        told = place.call("serve", "--port", str(taken.getsockname()[1]), code=2)
    assert "address already in use; another one may be running" in told
