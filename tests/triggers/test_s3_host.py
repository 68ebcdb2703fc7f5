"""The host of triggers polls what is due, whatever happens to a poll."""

from __future__ import annotations

from pathlib import Path

import anyio
from aiohttp import web

from engine.state.trigger import TriggerState
from support.faulty_store import refused
from support.watching import Watched, watching
from triggers.host import hosting

SECONDS = 40


async def state(watched: Watched) -> TriggerState:
    return await watched.engine.store.triggers.get("test", "flow", "watch")


async def fired(watched: Watched, count: int) -> None:
    with anyio.fail_after(SECONDS):
        while len(await watched.executions()) < count:
            await anyio.sleep(0.02)


async def test_s3_31_a_file_starts_something_at_the_next_poll(tmp_path: Path, s3_address: str) -> None:
    async with watching(tmp_path, s3_address) as watched, hosting(watched.engine):
        await watched.put("a")
        await watched.save(interval="PT1S")
        await fired(watched, 1)
        await watched.put("b")
        await fired(watched, 2)
        assert await watched.batches() == [["a"], ["b"]]
        with anyio.fail_after(SECONDS):
            while (found := await state(watched)).fired is None:
                await anyio.sleep(0.02)
        assert (found.failures, found.error) == (0, None)
        assert found.next is not None


async def test_tr_05_a_failing_poll_is_told_and_tried_again(tmp_path: Path, s3_address: str) -> None:
    async with watching(tmp_path, s3_address) as watched, hosting(watched.engine):
        await watched.put("a")

        async def fail(_request: web.Request) -> web.StreamResponse | None:
            return refused("AccessDenied", 403)

        passing, watched.door.before = watched.door.before, fail
        await watched.save(interval="PT1S")
        with anyio.fail_after(SECONDS):
            while not (found := await state(watched)).failures:
                await anyio.sleep(0.02)
        assert "AccessDenied" in (found.error or "")
        watched.door.before = passing
        await fired(watched, 1)
        with anyio.fail_after(SECONDS):
            while (await state(watched)).failures:
                await anyio.sleep(0.02)


async def test_s3_12_what_was_claimed_before_a_restart_goes_on(tmp_path: Path, s3_address: str) -> None:
    async with watching(tmp_path, s3_address) as watched:
        await watched.put("a", "b")
        await watched.save(interval="PT1S")

        async def hang(request: web.Request) -> web.StreamResponse | None:
            if request.method == "GET" and request.path.endswith("/b"):
                with anyio.move_on_after(SECONDS):
                    await anyio.sleep_forever()
            return None

        passing, watched.door.before = watched.door.before, hang
        async with hosting(watched.engine):
            with anyio.fail_after(SECONDS):
                while (await watched.states()).get("b") != "FETCHING":
                    await anyio.sleep(0.02)
        assert await watched.executions() == []
        watched.door.before = passing
        async with hosting(watched.engine):
            await fired(watched, 1)
        assert await watched.batches() == [["a", "b"]]
        await watched.proved()
