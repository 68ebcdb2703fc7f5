"""The S3 trigger deletes and moves objects once an execution has them, and never what it has not read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from engine.clock import ManualClock
from engine.errors import InvalidFlow
from support.faulty_store import refused
from support.watching import Watched, watching

FAIL = [{"id": "fail", "type": "io.kestra.plugin.core.execution.Fail"}]
HOUR = 3600


@pytest.fixture
async def watched(tmp_path: Path, s3_address: str) -> AsyncIterator[Watched]:
    async with watching(tmp_path, s3_address, ManualClock()) as opened:
        yield opened


async def deny(request: web.Request) -> web.StreamResponse | None:
    return refused("AccessDenied", 403) if request.method in ("DELETE", "PUT") else None


@pytest.mark.parametrize("action", ["DELETE", "MOVE"])
async def test_s3_23_a_failing_action_loses_nothing_and_is_done_later(watched: Watched, action: str) -> None:
    await watched.put("in/a", "in/b")
    await watched.save(prefix="in/", action=action, **({"moveTo": {"key": "done"}} if action == "MOVE" else {}))
    passing, watched.door.before = watched.door.before, deny
    await watched.poll()
    await watched.poll()
    assert await watched.batches() == [["in/a", "in/b"]]
    assert await watched.states() == {"in/a": "ACTION_PENDING", "in/b": "ACTION_PENDING"}
    watched.door.before = passing
    watched.clock.advance(HOUR)  # type: ignore[attr-defined]
    await watched.poll()
    assert await watched.keys() == (["done/a", "done/b"] if action == "MOVE" else [])
    await watched.poll()
    assert len(await watched.executions()) == 1
    await watched.proved()


async def test_s3_23_an_action_may_wait_for_the_good_end_of_the_execution(watched: Watched) -> None:
    await watched.put("a")
    await watched.save(action="DELETE", actionOn="SUCCESS")
    await watched.save(flow="bad", action="DELETE", actionOn="SUCCESS", more={"tasks": FAIL})
    for flow in ("bad", "flow"):
        await watched.poll(flow)
        (execution,) = await watched.executions(flow)
        await watched.engine.control.wait(execution.id)
    await watched.poll("bad")
    assert await watched.keys() == ["a"]
    await watched.poll()
    assert await watched.keys() == []


@pytest.mark.parametrize("action", ["DELETE", "MOVE"])
async def test_s3_24_a_newer_version_survives_and_fires(watched: Watched, action: str) -> None:
    await watched.put("in/a", content=b"one")
    await watched.save(prefix="in/", action=action, **({"moveTo": {"key": "done"}} if action == "MOVE" else {}))
    passing, watched.door.before = watched.door.before, deny
    await watched.poll()
    await watched.put("in/a", content=b"two")
    watched.door.before = passing
    watched.clock.advance(HOUR)  # type: ignore[attr-defined]
    overwritten = await watched.keys()
    await watched.poll()
    assert overwritten == ["in/a"]
    assert [await watched.stored(batch[0]["uri"]) for batch in await watched.objects()] == [b"one", b"two"]
    assert await watched.keys() == (["done/a"] if action == "MOVE" else [])
    if action == "MOVE":
        assert await watched.content("done/a") == b"two"
    await watched.proved()


async def test_s3_25_a_move_is_finished_without_a_second_copy(watched: Watched) -> None:
    await watched.put("in/a")
    await watched.save(prefix="in/", action="MOVE", moveTo={"key": "done"})

    async def no_delete(request: web.Request) -> web.StreamResponse | None:
        return refused("AccessDenied", 403) if request.method == "DELETE" else None

    passing, watched.door.before = watched.door.before, no_delete
    await watched.poll()
    assert await watched.keys() == ["done/a", "in/a"]
    copies = [1 for method, _ in watched.door.requests if method == "PUT"]
    watched.door.before = passing
    watched.clock.advance(HOUR)  # type: ignore[attr-defined]
    await watched.poll()
    assert await watched.keys() == ["done/a"]
    assert len([1 for method, _ in watched.door.requests if method == "PUT"]) == len(copies) == 1


async def test_s3_26_a_move_keeps_the_path_and_overwrites_nothing(watched: Watched) -> None:
    await watched.put("in/a/x.csv", "in/b/x.csv", "done/a/x.csv")
    moves = {"prefix": "in/", "action": "MOVE", "moveTo": {"key": "done"}}
    await watched.save(dialect=2, **moves)
    await watched.poll()
    assert await watched.keys() == ["done/a/x.csv", "done/b/x.csv", "in/a/x.csv"]
    assert (await watched.states())["in/a/x.csv"] == "ACTION_PENDING"
    await watched.save(dialect=2, onConflict="SUFFIX", **moves)
    watched.clock.advance(HOUR)  # type: ignore[attr-defined]
    await watched.poll()
    assert await watched.keys() == ["done/a/x-2.csv", "done/a/x.csv", "done/b/x.csv"]
    assert await watched.content("done/a/x.csv") == b"done/a/x.csv"
    await watched.proved()


async def test_s3_26_flat_names_as_older_flows_have_them_get_a_number(watched: Watched) -> None:
    await watched.put("in/a/x.csv", "in/b/x.csv", content=b"the same")
    await watched.save(prefix="in/", action="MOVE", moveTo={"key": "done"})
    await watched.poll()
    assert await watched.keys() == ["done/x-2.csv", "done/x.csv"]


async def test_s3_27_a_target_that_the_trigger_watches_is_refused(watched: Watched) -> None:
    for properties in ({}, {"prefix": "in/", "moveTo": {"key": "in/done"}}):
        with pytest.raises(InvalidFlow, match="moveTo is inside"):
            await watched.save(action="MOVE", **{"moveTo": {"key": "done"}, **properties})
    with pytest.raises(InvalidFlow, match="MOVE needs"):
        await watched.save(action="MOVE")
    await watched.save(prefix="in/", action="MOVE", moveTo={"key": "done"})
    await watched.put("x.csv")
    await watched.save(regexp=r".*\.csv", action="MOVE", moveTo={"key": "done"})
    await watched.poll()
    await watched.poll()
    assert (await watched.batches(), await watched.keys()) == ([["x.csv"]], ["done/x.csv"])


async def test_s3_36_an_audit_tells_what_is_missing_and_what_came_twice(watched: Watched) -> None:
    await watched.put("a.csv", "b.csv", "c.txt")
    await watched.save(regexp=r".*\.csv")
    before = await watched.audit()
    assert (before.counts, before.ignored) == ({"not seen yet": 2}, {"regexp": 1})
    await watched.poll()
    listings = len(watched.door.requests)
    found = await watched.audit()
    assert (found.counts, found.ignored, found.good) == ({"done": 2}, {"regexp": 1}, True)
    assert len(watched.door.requests) == listings + 1
    (execution,) = await watched.executions()
    assert execution.trigger is not None
    again = {"objects": execution.trigger.variables["objects"]}
    from engine.runtime.triggering.firing import Event

    await watched.engine.firing.fire(await watched.engine.firing.load("test", "flow", "watch"), Event("other", again))
    assert (await watched.audit()).duplicate == ["a.csv", "b.csv"]
