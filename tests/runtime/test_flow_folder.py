"""A folder of flows that a server follows."""

from __future__ import annotations

import logging
from pathlib import Path

import anyio
import pytest

from engine.errors import NotFound
from engine.runtime.engine import Engine
from engine.runtime.flow_folder import FlowFolder, following

HELLO = "id: hello\nnamespace: team\ntasks: [{id: say, type: core.log.Log, message: hello}]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "flows"
    folder.mkdir()
    return folder


@pytest.fixture
def looked_at(engine: Engine, folder: Path) -> FlowFolder:
    return FlowFolder(engine.plans, engine.control, folder)


async def stored(engine: Engine) -> dict[str, int]:
    return {flow.id: flow.revision for flow in await engine.store.flows.list()}


async def test_what_changes_is_stored_and_what_is_broken_changes_nothing(
    engine: Engine, folder: Path, looked_at: FlowFolder, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "hello.yaml").write_text(HELLO)
    await looked_at.look()
    await looked_at.look()
    assert await stored(engine) == {"hello": 1}
    (folder / "hello.yaml").write_text(HELLO.replace("core.log.Log", "core.log.Lag"))
    (folder / "unreadable.yaml").write_bytes(b"\xff")
    with caplog.at_level(logging.WARNING, "tidegate"):
        await looked_at.look()
        await looked_at.look()
    assert await stored(engine) == {"hello": 1}
    assert [record.message.startswith("Not stored: ") for record in caplog.records] == [True, True]
    (folder / "hello.yaml").write_text(HELLO.replace("message: hello", "message: hi there"))
    await looked_at.look()
    assert await stored(engine) == {"hello": 2}


async def test_a_flow_goes_with_its_file_unless_another_has_it(
    engine: Engine, folder: Path, looked_at: FlowFolder
) -> None:
    (folder / "hello.yaml").write_text(HELLO)
    await looked_at.look()
    (folder / "hello.yaml").rename(folder / "renamed.yaml")
    await looked_at.look()
    assert await stored(engine) == {"hello": 1}
    (folder / "renamed.yaml").write_text(HELLO.replace("id: hello", "id: another"))
    await looked_at.look()
    assert await stored(engine) == {"another": 1}
    (folder / "renamed.yaml").unlink()
    await looked_at.look()
    assert await stored(engine) == {}


async def test_of_two_files_with_the_same_flow_the_first_counts(
    engine: Engine, folder: Path, looked_at: FlowFolder, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "a.yaml").write_text(HELLO)
    await looked_at.look()
    (folder / "b.yaml").write_text(HELLO.replace("message: hello", "message: other"))
    await looked_at.look()
    assert (await engine.store.flows.get("team", "hello")).source == HELLO
    assert "a.yaml already" in caplog.text
    (folder / "a.yaml").unlink()
    await looked_at.look()
    assert (await engine.store.flows.get("team", "hello")).revision == 2


async def test_a_folder_that_is_gone_says_nothing_of_its_flows(
    engine: Engine, folder: Path, looked_at: FlowFolder
) -> None:
    (folder / "hello.yaml").write_text(HELLO)
    await looked_at.look()
    folder.rename(folder.with_name("away"))
    await looked_at.look()
    assert await stored(engine) == {"hello": 1}


async def test_the_system_tells_of_changes(engine: Engine, folder: Path) -> None:
    (folder / "hello.yaml").write_text(HELLO)
    async with following(engine, folder):
        assert await stored(engine) == {"hello": 1}
        (folder / "deep").mkdir()
        (folder / "deep" / "second.yaml").write_text(HELLO.replace("id: hello", "id: second"))
        with anyio.fail_after(30):
            while "second" not in await stored(engine):
                await anyio.sleep(0.01)
    with pytest.raises(NotFound):
        await engine.store.flows.get("team", "third")
