"""`tidegate validate`: all mistakes of flow files, with their places."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import Json


def validate(
    paths: Annotated[list[Path], typer.Argument(help="Flow files or folders of them.", exists=True)],
    as_json: Json = False,
) -> None:
    """Check flows. Exit code 1 when one has a mistake."""
    from engine.cli.session import flow_files
    from engine.definition.check_path import check_file
    from engine.plugin.index import installed

    files = [file for path in paths for file in (flow_files(path) if path.is_dir() else [path])]
    if not files:
        sys.stderr.write("No flow files there: they end with .yaml or .yml\n")
        raise typer.Exit(1)
    reports = [check_file(file, installed()) for file in files]
    if as_json:
        from engine.cli.look import as_json as to_json

        typer.echo(to_json(reports))
    else:
        for report in reports:
            _print(report)
    raise typer.Exit(1 if any(report.errors for report in reports) else 0)


def _print(report: object) -> None:
    from engine.definition.check_path import Report

    assert isinstance(report, Report)
    for diagnostic in (*report.errors, *report.warnings):
        sys.stderr.write(f"{diagnostic}\n")
    if not report.errors:
        sys.stdout.write(f"✓ {report.file}: {report.flow}\n")
