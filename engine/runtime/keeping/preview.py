"""A look at the beginning of a stored file, as rows where it has rows."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

import anyio.to_thread
import msgspec

from engine.errors import StorageError
from engine.expressions.ion import loads_all
from engine.files.protocol import InternalStorage

READ_BYTES = 1024 * 1024
SEPARATORS = ",;\t|"


class Preview(msgspec.Struct, frozen=True, omit_defaults=True):
    """`columns` and `rows` where the file holds records, else `text`.

    kind: csv, json, ion, parquet, …, text or binary, which may be another than the name of the file says
    more: there is more than is shown
    """

    kind: str
    columns: list[str] = []
    rows: list[list[Any]] = []
    text: str = ""
    more: bool = False


async def preview_file(files: InternalStorage, address: str, rows: int, encoding: str = "utf-8") -> Preview:
    """The first `rows` rows (CSV, JSON, ion, Parquet) or lines (anything else); `encoding` is that of texts.

    A file that isn't what its name says is shown as lines. Raises NotFound; StorageError for a Parquet file that can't
    be read.
    """
    kind = PurePosixPath(address).suffix.lower().lstrip(".")
    if kind == "parquet":
        return await _parquet(files, address, rows)
    size = (await files.stat(address)).size
    content = b"".join([chunk async for chunk in files.read(address, 0, READ_BYTES)])
    cut = size > len(content)
    if b"\0" in content[:1024]:
        return Preview(kind="binary", text=f"{size} bytes that are not text", more=False)
    text = content.decode(encoding, "replace")
    return await anyio.to_thread.run_sync(_of_text, kind, text, cut, rows)


def _of_text(kind: str, text: str, cut: bool, rows: int) -> Preview:
    if kind in ("csv", "tsv") and (table := _csv(text, cut, rows)) is not None:
        return table
    if kind in ("ion", "json", "jsonl", "ndjson"):
        records = _records(kind, text, cut, rows + 1)
        if records is not None:
            return _table(kind, records, rows, cut)
    lines = text.splitlines()
    return Preview(kind="text", text="\n".join(lines[:rows]), more=cut or len(lines) > rows)


def _csv(text: str, cut: bool, rows: int) -> Preview | None:
    """The rows of a CSV; None where it can't be read as such."""
    first = text.partition("\n")[0]
    separator = max(SEPARATORS, key=first.count)
    reader = csv.reader(io.StringIO(text), delimiter=separator)
    try:
        found = [row for row, _ in zip(reader, range(rows + 2), strict=False)]
    except csv.Error:
        return None
    if not found:
        return Preview(kind="csv")
    return Preview(kind="csv", columns=found[0], rows=list(found[1 : rows + 1]), more=cut or len(found) > rows + 1)


def _records(kind: str, text: str, cut: bool, wanted: int) -> list[Any] | None:
    """The values of a file, one a line or one list; None where it can't be read as such."""
    if kind == "json":
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            return None
        return value[:wanted] if isinstance(value, list) else [value]
    records: list[Any] = []
    lines = text.splitlines()
    for line in (lines[:-1] if cut else lines)[:wanted]:
        if line.strip():
            try:
                records.extend(loads_all(line))
            except (ValueError, RecursionError):
                return None
    return records


def _table(kind: str, records: list[Any], rows: int, cut: bool) -> Preview:
    """Records as a table: the columns in the order in which they first appear."""
    more = cut or len(records) > rows
    shown = records[:rows]
    if not all(isinstance(record, dict) for record in shown):
        return Preview(kind=kind, columns=["value"], rows=[[record] for record in shown], more=more)
    columns = list(dict.fromkeys(key for record in shown for key in record))
    return Preview(
        kind=kind, columns=columns, rows=[[record.get(column) for column in columns] for record in shown], more=more
    )


async def _parquet(files: InternalStorage, address: str, rows: int) -> Preview:
    with tempfile.TemporaryDirectory(prefix="tidegate-preview-") as folder:
        local = Path(folder) / "file.parquet"
        await files.fetch(address, local)
        try:
            return await anyio.to_thread.run_sync(_read_parquet, local, rows)
        except StorageError as error:
            reason = str(error).replace(f"'{local}'", "it").replace(str(local), "it")
            raise StorageError(f"The file {address} can't be read as Parquet: {reason}") from None


def _read_parquet(local: Path, rows: int) -> Preview:
    import duckdb

    with duckdb.connect() as connection:
        try:
            found = connection.execute("select * from read_parquet(?) limit ?", [str(local), rows + 1])
        except duckdb.Error as error:
            raise StorageError(" ".join(str(error).partition("LINE 1:")[0].split())) from None
        columns = [column[0] for column in found.description or ()]
        values = [list(row) for row in found.fetchall()]
    return Preview(kind="parquet", columns=columns, rows=values[:rows], more=len(values) > rows)
