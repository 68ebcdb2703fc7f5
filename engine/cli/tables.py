"""What an execution left and what plugins take, in columns and tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from engine.cli import look
from engine.cli.columns import Columns
from engine.definition.inputs import InputState
from engine.files.protocol import FileInfo
from engine.plugin.describe import Described, Property
from engine.runtime.keeping.preview import Preview
from engine.state.record import Record

SHOWN_RUNS = 50


def plain_table(title: str, *columns: str) -> Table:
    """An empty table in the look of all tables."""
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def outputs_table(record: Record) -> Columns | None:
    """Outputs of the flow and of its task runs; None when there are none."""
    rows = [("", name, value) for name, value in (record.execution.outputs or {}).items()]
    runs = [run for run in sorted(record.runs.values(), key=lambda run: run.order) if run.outputs]
    for run in runs[:SHOWN_RUNS]:
        task = run.node if run.value is None else f"{run.node} [{look.brief(run.value, 30)}]"
        rows.extend((task, name, value) for name, value in _flat(run.outputs or {}))
    if not rows:
        return None
    table = Columns("Outputs", "task", "output", "value")
    for task, name, value in rows:
        table.add_row(escape(task) if task else "[bold](flow)[/]", escape(name), look.brief(value))
    if len(runs) > SHOWN_RUNS:
        table.add_row("…", "", f"{len(runs) - SHOWN_RUNS} more task runs have outputs")
    return table


def inputs_table(states: Sequence[InputState]) -> Table:
    """What inputs would be, and what is wrong with them."""
    table = plain_table("Inputs", "input", "type", "value", "")
    for state in states:
        said = "\n".join(state.errors) or ("" if state.enabled else "not asked for")
        value = look.brief(state.value) if state.enabled and state.value is not None else ""
        told = f"{value} [bright_black](default)[/]" if state.is_default else value
        wrong = f"[red]{escape(said)}[/]" if state.errors else said
        table.add_row(escape(state.input.id), state.input.type, told, wrong)
    return table


def files_table(files: Sequence[FileInfo], saved: Mapping[str, Path]) -> Columns:
    """Files of an execution: size and URI, and the local copy where there is one."""
    table = Columns("Files", "size", *(["saved as"] if saved else []), "URI")
    for info in files[:SHOWN_RUNS]:
        copy = [escape(str(saved[info.address]))] if saved else []
        table.add_row(look.size(info.size), *copy, escape(info.address))
    if len(files) > SHOWN_RUNS:
        table.add_row("…", *([""] if saved else []), f"{len(files) - SHOWN_RUNS} more files")
    return table


def _flat(outputs: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Maps of one more level shown by dotted names."""
    for name, value in outputs.items():
        if isinstance(value, dict) and value and len(value) <= SHOWN_RUNS:
            yield from ((f"{name}.{key}", item) for key, item in value.items())
        elif value not in (None, {}, []):
            yield name, value


def preview_table(preview: Preview) -> Table:
    """The rows of a file."""
    table = plain_table("", *(escape(column) for column in preview.columns))
    for row in preview.rows:
        table.add_row(*("" if value is None else look.brief(_text(value)) for value in row))
    return table


def _text(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | dict | list) else str(value)


def plugin_page(described: Described) -> RenderableType:
    """What a type does, its properties and outputs."""
    parts: list[RenderableType] = [f"[bold]{described.type}[/]  [bright_black]{described.kind}[/]", described.title]
    if described.text:
        parts.append(f"\n{escape(described.text)}")
    if described.aliases:
        parts.append(f"[bright_black]Also known as {', '.join(described.aliases)}[/]")
    parts.append(_properties_table("Properties", described.properties))
    if described.outputs:
        parts.append(_properties_table("Outputs", described.outputs))
    return Group(*parts)


def _properties_table(title: str, properties: Sequence[Property]) -> Table:
    table = plain_table(f"\n{title}", "name", "type", "default", "")
    for item in properties:
        default = "[bold]required[/]" if item.required else "" if item.default is None else look.brief(item.default, 40)
        table.add_row(escape(item.name), escape(item.type), default, escape(item.description))
    return table
