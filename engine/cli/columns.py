"""Columns of text whose lines are never broken, so that people and programs can take a URI whole."""

from __future__ import annotations

from rich.text import Text

GAP = "  "


class Columns:
    """Rows under a title and headings; cells are markup."""

    def __init__(self, title: str, *headings: str) -> None:
        self._title = title
        self._rows = [[Text(heading, style="bright_black") for heading in headings]]

    def add_row(self, *cells: str) -> None:
        self._rows.append([Text.from_markup(cell) for cell in cells])

    def __rich__(self) -> Text:
        widths = [max(cell.cell_len for cell in column) for column in zip(*self._rows, strict=True)]
        lines = [Text(self._title, style="bold")] if self._title else []
        for row in self._rows:
            line = Text(GAP)
            for cell, width in zip(row[:-1], widths, strict=False):
                line.append_text(cell).append(" " * (width - cell.cell_len) + GAP)
            lines.append(line.append_text(row[-1]))
        return Text("\n").join(lines)
