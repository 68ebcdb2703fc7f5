"""Inputs as they are given one by one: those of a FORM under their full ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from engine.definition.declared import DependsOn, Input


class Leaf(NamedTuple):
    """An input that takes a value. `gates` must all be open for it to be asked for: its form's, and its own."""

    input: Input
    gates: tuple[DependsOn, ...]

    @property
    def id(self) -> str:
        """The full id: `form.child` for an input of a form."""
        return self.input.id

    @property
    def waits_for(self) -> tuple[str, ...]:
        """Ids of the inputs that it depends on."""
        return tuple(id for gate in self.gates for id in gate.inputs)


def leaves(declared: Iterable[Input]) -> Iterator[Leaf]:
    """Every input that takes a value, in the order of the flow."""
    for item in declared:
        gates = (item.depends_on,) if item.depends_on else ()
        if item.type != "FORM":
            yield Leaf(item, gates)
        for below in leaves(item.inputs or ()):
            full = below.input.model_copy(update={"id": f"{item.id}.{below.id}"})
            yield Leaf(full, (*gates, *below.gates))


def in_order(declared: Sequence[Leaf]) -> Iterator[Leaf]:
    """Inputs so that each comes after those it depends on; else as declared."""
    by_id = {leaf.id: leaf for leaf in declared}
    done: set[str] = set()
    for first in declared:
        todo = [first]
        opened: set[str] = set()
        while todo:
            leaf = todo[-1]
            waits = [by_id[id] for id in leaf.waits_for if id in by_id and id not in done and id not in opened]
            opened.add(leaf.id)
            if waits:
                todo.extend(reversed(waits))
                continue
            todo.pop()
            if leaf.id not in done:
                done.add(leaf.id)
                yield leaf
