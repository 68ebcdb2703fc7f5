"""The node tree of a template: Jinja2's nodes, and what Pebble has beyond them.

Jinja2 takes no node types but its own. What Pebble has beyond them borrows a node that Pebble itself has no use for;
the aliases name what each stands for, and the generator gives them their meaning.
"""

from __future__ import annotations

from jinja2 import nodes

Coalesce = nodes.FloorDiv
"""`left ?? right`"""
CoalesceUndefined = nodes.Pow
"""`left ??? right`"""
Range = nodes.Slice
"""`start..stop`"""
Raw = nodes.MarkSafe
"""Text of `raw` and `verbatim`, kept from being rendered again."""
Captured = nodes.ImportedName
"""The text between `filter` and `endfilter`."""


def lone_expression(node: nodes.Template) -> nodes.Expr | None:
    """The expression of a template that is nothing else."""
    lone = lone_output(node.body)
    return None if isinstance(lone, Raw) else lone


def lone_output(body: list[nodes.Node]) -> nodes.Expr | None:
    if len(body) != 1 or not isinstance(body[0], nodes.Output):
        return None
    lone = body[0].nodes[0]
    return None if isinstance(lone, nodes.TemplateData) else lone


def steps_of(node: nodes.Expr) -> list[str] | None:
    """`a.b.c` as its names, None for what is not a plain path."""
    steps: list[str] = []
    while isinstance(node, nodes.Getattr):
        steps.append(node.attr)
        node = node.node
    return [node.name, *reversed(steps)] if isinstance(node, nodes.Name) else None
