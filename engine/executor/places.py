"""Where tasks stand in their flow, and which come after which."""

from __future__ import annotations

from typing import NamedTuple

from engine.executor.after import AFTER, is_after
from engine.executor.finish import ERRORS, FINALLY, ON_PAUSE, ON_WAIT
from engine.executor.plan import Kind, Node, Plan
from engine.ids import NodeId
from engine.state.execution import lane_of, node_of, parent_path

RANK = {ON_PAUSE: -1, ON_WAIT: -1, ERRORS: 1, FINALLY: 2, AFTER: 3}


class Place(NamedTuple):
    """Where a task stands: the node around it, the rank of its branch (the main one has 0), its position there."""

    above: Node
    rank: int
    position: int


class Places:
    """The places of all tasks of a plan, asked for by the paths of their runs."""

    def __init__(self, plan: Plan) -> None:
        self._places = {
            child.id: Place(node, RANK.get(AFTER if is_after(branch) else branch, 0), position)
            for node in plan.nodes.values()
            for branch, children in node.branches.items()
            for position, child in enumerate(children)
        }

    def of(self, path: str) -> Place:
        return self._places[node_of(path)]

    def aside(self, path: str) -> bool:
        """Whether a task run belongs to a branch beside the main one of some block."""
        while path:
            if self.of(path).rank:
                return True
            path = parent_path(path)
        return False

    def comes_after(self, path: str, chosen: str) -> bool:
        """Whether the task run at `path` comes after the chosen one in the flow, or lies below it."""
        chain = [chosen]
        while chain[-1]:
            chain.append(parent_path(chain[-1]))
        below = ""
        while path not in chain:
            below, path = path, parent_path(path)
        if not below or path == chosen:
            return bool(below)
        return self._follows(below, chain[chain.index(path) - 1])

    def _follows(self, path: str, other: str) -> bool:
        """Whether one child of a block comes after another child of the same block."""
        here, there = self.of(path), self.of(other)
        if here.rank or there.rank:
            return (here.rank, here.position) > (there.rank, there.position)
        if here.above.kind in (Kind.PARALLEL, Kind.EACH_PARALLEL):
            return False
        if here.above.kind is Kind.DAG:
            return _depends(here.above, node_of(path), node_of(other))
        lane, other_lane = lane_of(path), lane_of(other)
        if lane is not None and other_lane is not None and lane != other_lane:
            return here.above.concurrent == 1 and lane > other_lane
        return here.position > there.position


def _depends(block: Node, id: NodeId, other: NodeId) -> bool:
    """Whether a child of a Dag waits for another one, directly or through others."""
    todo = [id]
    seen = {id}
    while todo:
        for above in block.depends_on.get(todo.pop(), ()):
            if above == other:
                return True
            if above not in seen:
                seen.add(above)
                todo.append(above)
    return False
