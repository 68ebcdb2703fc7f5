"""Processes and what they tell each other."""

from __future__ import annotations

from engine.ids import ExecutionId
from engine.store.protocols import Store
from engine.store.rows import NodeRow
from support.steps import Open

ONE = ExecutionId("one")


async def test_nodes_come_and_go(store: Store) -> None:
    await store.nodes.register(NodeRow("b", 12, 2))
    await store.nodes.register(NodeRow("a", 11, 1))
    assert await store.nodes.list() == [NodeRow("a", 11, 1), NodeRow("b", 12, 2)]
    await store.nodes.register(NodeRow("a", 99, 3))
    assert await store.nodes.list() == [NodeRow("b", 12, 2), NodeRow("a", 99, 3)]
    await store.nodes.retire("b")
    assert await store.nodes.list() == [NodeRow("a", 99, 3)]


async def test_messages_stay_in_order_until_done(store: Store) -> None:
    for body in (b"1", b"2", b"\x00\xff"):
        await store.nodes.send("a", ONE, body)
    await store.nodes.send("b", ONE, b"other")
    taken = await store.nodes.take("a", 2)
    assert [message.body for message in taken] == [b"1", b"2"]
    assert await store.nodes.take("a", 2) == taken
    await store.nodes.done([message.id for message in taken])
    assert [message.body for message in await store.nodes.take("a", 9)] == [b"\x00\xff"]
    assert [message.body for message in await store.nodes.take("b", 9)] == [b"other"]


async def test_a_retired_node_leaves_no_messages(store: Store) -> None:
    await store.nodes.send("a", ONE, b"1")
    await store.nodes.retire("a")
    assert await store.nodes.take("a", 9) == []


async def test_another_process_sees_it_at_once(store: Store, open_again: Open) -> None:
    async with open_again() as other:
        await other.nodes.register(NodeRow("other", 12, 2))
        await other.nodes.send("here", ONE, b"kill")
        assert [node.id for node in await store.nodes.list()] == ["other"]
        assert [message.execution for message in await store.nodes.take("here", 9)] == [ONE]
