"""What every queue promises: order, one taker, and that silent takers lose their work."""

from __future__ import annotations

import anyio
import pytest
from anyio.lowlevel import checkpoint

from engine.bus.protocol import Lease, Queue
from engine.clock import ManualClock
from engine.errors import Unavailable

SPAN = 30.0


class Taker:
    """Pulls in the background and keeps what came."""

    def __init__(self) -> None:
        self.leases: list[Lease] = []
        self.came = anyio.Event()

    async def pull(self, queue: Queue, group: str = "g") -> None:
        self.leases.append(await queue.pull(group))
        self.came.set()

    @property
    def bodies(self) -> list[bytes]:
        return [lease.body for lease in self.leases]


async def pull(queue: Queue, group: str = "g") -> Lease:
    """What is there; fails when nothing is."""
    with anyio.fail_after(2):
        return await queue.pull(group)


async def settle() -> None:
    """Let everything run that can without the clock."""
    for _ in range(20):
        await checkpoint()


async def nothing(queue: Queue, group: str = "g") -> bool:
    with anyio.move_on_after(0.02):
        await queue.pull(group)
        return False
    return True


async def test_work_comes_in_order_of_arrival_each_piece_once(queue: Queue) -> None:
    for number in range(10):
        await queue.push("g", f"id{number}", str(number).encode())
    assert [(await pull(queue)).body for _ in range(10)] == [str(number).encode() for number in range(10)]
    assert await nothing(queue)


async def test_groups_are_apart(queue: Queue) -> None:
    await queue.push("one", "a", b"1")
    await queue.push("two", "a", b"2")
    assert (await pull(queue, "two")).body == b"2"
    assert await nothing(queue, "two")
    assert (await pull(queue, "one")).body == b"1"


async def test_whoever_waits_gets_what_comes(queue: Queue) -> None:
    taker = Taker()
    with anyio.fail_after(2):
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(taker.pull, queue)
            await settle()
            for number in range(3):
                await queue.push("g", str(number), str(number).encode())
    assert sorted(taker.bodies) == [b"0", b"1", b"2"]


async def test_the_same_id_is_dropped_within_the_lease_time(queue: Queue, clock: ManualClock) -> None:
    await queue.push("g", "a", b"first")
    await queue.push("g", "a", b"again")
    lease = await pull(queue)
    assert lease.body == b"first"
    await lease.finish()
    await queue.push("g", "a", b"again")
    assert await nothing(queue)
    clock.advance(SPAN)
    await queue.push("g", "a", b"later")
    assert (await pull(queue)).body == b"later"


async def test_finished_work_never_comes_again(queue: Queue, clock: ManualClock) -> None:
    await queue.push("g", "a", b"1")
    await (await pull(queue)).finish()
    clock.advance(SPAN * 3)
    assert await nothing(queue)


async def test_work_that_is_given_back_comes_first(queue: Queue) -> None:
    for name in ("a", "b", "c"):
        await queue.push("g", name, name.encode())
    lease = await pull(queue)
    await lease.give_back()
    assert [(await pull(queue)).body for _ in range(3)] == [b"a", b"b", b"c"]


async def test_work_that_is_given_back_wakes_who_waits(queue: Queue) -> None:
    await queue.push("g", "a", b"1")
    lease = await pull(queue)
    taker = Taker()
    with anyio.fail_after(2):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(taker.pull, queue)
            await settle()
            await lease.give_back()
    assert taker.bodies == [b"1"]


async def test_a_silent_taker_loses_its_work_to_who_waits(queue: Queue, clock: ManualClock) -> None:
    taker = Taker()
    await queue.push("g", "a", b"1")
    await pull(queue)
    with anyio.fail_after(2):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(taker.pull, queue)
            await settle()
            clock.advance(SPAN - 1)
            await settle()
            assert taker.bodies == []
            clock.advance(1)
    assert taker.bodies == [b"1"]


async def test_who_began_to_wait_before_the_lease_began_sees_it_end(queue: Queue, clock: ManualClock) -> None:
    takers = [Taker(), Taker()]
    with anyio.fail_after(2):
        async with anyio.create_task_group() as tasks:
            for taker in takers:
                tasks.start_soon(taker.pull, queue)
            await settle()
            clock.advance(SPAN / 2)
            await queue.push("g", "a", b"1")
            await settle()
            assert sum(len(taker.leases) for taker in takers) == 1
            for _ in range(2):
                clock.advance(SPAN)
                await settle()
    assert [taker.bodies for taker in takers] == [[b"1"], [b"1"]]


async def test_a_taker_that_speaks_keeps_its_work(queue: Queue, clock: ManualClock) -> None:
    await queue.push("g", "a", b"1")
    lease = await pull(queue)
    for _ in range(5):
        clock.advance(SPAN - 1)
        await lease.extend()
        assert await nothing(queue)
    clock.advance(SPAN)
    assert (await pull(queue)).body == b"1"


async def test_one_that_lost_its_work_does_not_disturb_the_next(queue: Queue, clock: ManualClock) -> None:
    await queue.push("g", "a", b"1")
    first = await pull(queue)
    clock.advance(SPAN)
    second = await pull(queue)
    await first.extend()
    await first.give_back()
    assert await nothing(queue)
    clock.advance(SPAN - 1)
    await second.extend()
    clock.advance(SPAN - 1)
    assert await nothing(queue)


async def test_a_late_finish_counts(queue: Queue, clock: ManualClock) -> None:
    await queue.push("g", "a", b"1")
    first = await pull(queue)
    clock.advance(SPAN)
    second = await pull(queue)
    await first.finish()
    await second.give_back()
    clock.advance(SPAN)
    assert await nothing(queue)


async def test_a_cancelled_wait_takes_nothing(queue: Queue) -> None:
    assert await nothing(queue)
    await queue.push("g", "a", b"1")
    assert (await pull(queue)).body == b"1"


async def test_more_work_than_may_wait_is_refused(queue: Queue) -> None:
    for number in range(1000):
        await queue.push("g", str(number), b"")
    with pytest.raises(Unavailable, match="worker group 'g' has 1000 pieces"):
        await queue.push("g", "more", b"")
    await pull(queue)
    await queue.push("g", "more", b"")
