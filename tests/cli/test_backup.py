"""A backup made while a server works, and what goes on from it."""

from __future__ import annotations

import json
import signal
import tarfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from engine.ids import ExecutionId
from engine.runtime.engine import Engine, open_engine
from engine.settings import Settings
from engine.state.status import Status
from engine.store.rows import ExecutionFilter
from support.command_line import Place
from support.running import end

WORKS = """
id: works
namespace: backup
concurrency: {limit: 50}
tasks:
  - {id: write, type: core.storage.Write, content: "written by {{ execution.id }}"}
  - {id: wait, type: core.flow.Sleep, duration: PT0.1S}
  - {id: read, type: core.debug.Return, format: "{{ read(outputs.write.uri) }}"}
"""
WAITS = """
id: waits
namespace: backup
tasks:
  - {id: write, type: core.storage.Write, content: "written by {{ execution.id }}"}
  - {id: pause, type: core.flow.Pause}
  - {id: secret, type: core.debug.Return, format: "{{ secret('TOKEN') }}"}
  - {id: read, type: core.debug.Return, format: "{{ read(outputs.write.uri) }}"}
"""


def ask(method: str, url: str) -> Any:
    with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=30) as answer:
        return json.load(answer)


@contextmanager
def serving(place: Place) -> Iterator[str]:
    with place.start("serve", "--port", "0", "--flows", str(place.folder / "flows")) as server:
        assert server.stdout is not None
        yield server.stdout.readline().split()[-1]
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=40)


@contextmanager
def load(url: str) -> Iterator[list[str]]:
    """Start executions as fast as two callers can, while the block is open; gives their ids."""
    made: list[str] = []
    over = threading.Event()

    def call() -> None:
        while not over.is_set():
            made.append(ask("POST", f"{url}/api/v1/main/executions/backup/works")["id"])

    callers = [threading.Thread(target=call) for _ in range(2)]
    for caller in callers:
        caller.start()
    try:
        yield made
    finally:
        over.set()
        for caller in callers:
            caller.join()


def reach(made: list[str], count: int) -> None:
    """Wait until so many were made."""
    deadline = time.monotonic() + 30
    while len(made) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    (tmp_path / "flows").mkdir()
    place.flow(WORKS, "flows/works.yaml")
    place.flow(WAITS, "flows/waits.yaml")
    return place


async def test_a_backup_under_load_is_whole_and_its_executions_go_on(place: Place) -> None:
    async with open_engine(place.data, Settings()) as engine:
        await engine.secrets.set("TOKEN", "hush-hush", "backup", None)
    with serving(place) as url:
        waiting = ask("POST", f"{url}/api/v1/main/executions/backup/waits")["id"]
        with load(url) as made:
            reach(made, 100)
            before = list(made)
            said = place.call("backup", str(place.folder / "all.tar.gz"))
            reach(made, len(before) + 20)
    assert "files" in said
    assert (place.folder / "all.tar.gz").stat().st_mode & 0o777 == 0o600
    again = place.folder / "again"
    place.call("restore", str(place.folder / "all.tar.gz"), "--data", str(again))
    async with open_engine(again, Settings(), recovers=True) as engine:
        with anyio.fail_after(40):
            await all_end(engine)
        found = await engine.store.executions.list(ExecutionFilter(flow="works", limit=10_000))
        assert {one.id for one in found} >= set(before)
        assert {one.state for one in found} == {Status.SUCCESS}
        for one in found:
            outputs = (await engine.store.executions.load(one.id)).record.runs
            assert {run.outputs["value"] for run in outputs.values() if run.node == "read" and run.outputs} == {
                f"written by {one.id}"
            }
        assert await engine.store.slots.repair() == 0
        await engine.control.resume(ExecutionId(waiting))
        ended = await end(engine, ExecutionId(waiting))
        assert ended.execution.state is Status.SUCCESS


async def all_end(engine: Engine) -> None:
    """Wait until nothing but what is paused has still to end."""
    while True:
        live = await engine.store.executions.live_states()
        if set(live) <= {"PAUSED"}:
            return
        await anyio.sleep(0.05)


def test_a_folder_in_use_or_not_empty_is_refused(place: Place) -> None:
    place.call("run", str(place.folder / "flows" / "works.yaml"))
    backup = str(place.folder / "all.tar")
    place.call("backup", backup)
    assert "is there already" in place.call("backup", backup, code=2)
    assert "is not empty" in place.call("restore", backup, code=2)
    with serving(place):
        assert "works on" in place.call("restore", backup, "--replace", code=2)
    place.call("run", str(place.folder / "flows" / "works.yaml"))
    place.call("restore", backup, "--replace")
    assert len(json.loads(place.call("execution", "list", "--json"))) == 1
    kept = place.call("execution", "list", "--json", "--data", str(place.data / "before-restore"))
    assert len(json.loads(kept)) == 2
    assert "There is no data" in place.call("backup", f"{backup}.2", "--data", str(place.folder / "none"), code=2)


def test_what_is_no_whole_backup_is_refused_and_changes_nothing(place: Place) -> None:
    place.call("run", str(place.folder / "flows" / "works.yaml"))
    whole = place.folder / "all.tar"
    place.call("backup", str(whole))
    cut = place.folder / "cut.tar"
    cut.write_bytes(whole.read_bytes()[:-20_000])
    empty = place.folder / "empty.tar"
    with tarfile.open(empty, "w"):
        pass
    other = place.folder / "other.tar"
    with tarfile.open(other, "w") as archive:
        archive.add(place.folder / "flows" / "works.yaml", "works.yaml")
    (place.folder / "text.tar").write_text("no archive")
    target = str(place.folder / "target")
    for name, told in (
        ("cut.tar", "can't be read|not whole"),
        ("empty.tar", "not whole"),
        ("other.tar", "no backup of Tidegate"),
        ("text.tar", "can't be read"),
        ("nothing.tar", "There is no file"),
    ):
        said = place.call("restore", str(place.folder / name), "--data", target, code=2)
        assert any(part in said for part in told.split("|")), said
    assert not (place.folder / "target" / "tidegate.db").exists()
