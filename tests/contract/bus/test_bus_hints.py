"""What hints promise: all readers of a subject, in order, and that a slow reader holds nobody up."""

from __future__ import annotations

import anyio
from anyio.abc import ObjectReceiveStream

from engine.bus.protocol import Hints

LIMIT = 8


async def next_of(stream: ObjectReceiveStream[bytes]) -> bytes:
    with anyio.fail_after(2):
        return await stream.receive()


async def silent(stream: ObjectReceiveStream[bytes]) -> bool:
    with anyio.move_on_after(0.02):
        await stream.receive()
        return False
    return True


async def test_each_reader_of_a_subject_hears_in_order(hints: Hints) -> None:
    async with hints.subscribe("kill") as one, hints.subscribe("kill") as other:
        for number in range(3):
            await hints.publish("kill", str(number).encode())
        for stream in (one, other):
            assert [await next_of(stream) for _ in range(3)] == [b"0", b"1", b"2"]


async def test_other_subjects_are_not_heard(hints: Hints) -> None:
    async with hints.subscribe("kill") as stream:
        await hints.publish("kill.all", b"x")
        await hints.publish("log", b"x")
        assert await silent(stream)


async def test_a_hint_may_be_empty_and_unheard(hints: Hints) -> None:
    await hints.publish("news")
    async with hints.subscribe("news") as stream:
        assert await silent(stream)
        await hints.publish("news")
        assert await next_of(stream) == b""


async def test_who_waits_is_woken(hints: Hints) -> None:
    async with hints.subscribe("news") as stream, anyio.create_task_group() as tasks:
        tasks.start_soon(hints.publish, "news", b"now")
        assert await next_of(stream) == b"now"


async def test_a_slow_reader_loses_the_oldest(hints: Hints) -> None:
    async with hints.subscribe("news") as slow, hints.subscribe("news") as quick:
        heard = []
        for number in range(LIMIT * 3):
            await hints.publish("news", bytes([number]))
            heard.append(await next_of(quick))
        assert heard == [bytes([number]) for number in range(LIMIT * 3)]
        assert [await next_of(slow) for _ in range(LIMIT)] == heard[-LIMIT:]
        assert await silent(slow)


async def test_a_reader_that_left_holds_nobody_up(hints: Hints) -> None:
    async with hints.subscribe("news") as left:
        await left.aclose()
        for _ in range(LIMIT * 2):
            await hints.publish("news", b"x")
    await hints.publish("news", b"x")
    async with hints.subscribe("news") as stream:
        assert await silent(stream)
