"""`tidegate file …`: files in internal storage."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated

import typer

from engine.cli.download import Output, download
from engine.cli.options import Config, Data, Json
from engine.cli.session import run_async, session

app = typer.Typer(help="Get and preview files of executions.", no_args_is_help=True, rich_markup_mode=None)

ROWS = frozenset({"csv", "tsv", "ion", "json", "jsonl", "ndjson"})

Uri = Annotated[str, typer.Argument(help="kestra:///…, as outputs show it.")]


@app.command("get")
def get(
    uri: Uri,
    output: Output = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Download a file."""

    async def work() -> None:
        async with session(data, config) as engine:
            await download(engine.files, uri, output)

    run_async(work)


@app.command("preview")
def preview(
    uri: Uri,
    rows: Annotated[int, typer.Option("--rows", min=1, max=10_000, help="How many rows or lines.")] = 20,
    as_json: Json = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Show the first rows of a CSV, JSON, ion or Parquet file, or the first lines of a text."""

    async def work() -> None:
        from engine.cli import look
        from engine.cli.tables import preview_table
        from engine.runtime.keeping.preview import preview_file

        async with session(data, config) as engine:
            shown = await preview_file(engine.files, uri, rows)
        console = look.stdout()
        if as_json:
            console.print(look.as_json(shown), markup=False)
        elif shown.columns:
            console.print(preview_table(shown))
        else:
            console.print(shown.text or "(The file is empty.)", markup=False)
        expected = PurePosixPath(uri).suffix.lower().lstrip(".")
        if expected in ROWS and shown.kind == "text" and shown.text and not as_json:
            console.print(f"(This can't be read as {expected}: it is shown as text.)", style="bright_black")
        if shown.more and not as_json:
            console.print(f"… more; --rows shows more, `tidegate file get {uri}` all", style="bright_black")

    run_async(work)
