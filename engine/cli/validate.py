"""`tidegate validate`: all mistakes of flow files, with their places."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import Config, Json


def validate(
    paths: Annotated[list[Path], typer.Argument(help="Flow files or folders of them.", exists=True)],
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Check flows. Exit code 1 when one has a mistake."""
    from engine.definition.check_path import check_path
    from engine.definition.rules import rules_of
    from engine.plugin.index import installed
    from engine.settings import load_settings

    rules = rules_of(load_settings(config))
    reports = [report for path in paths for report in check_path(path, installed(), rules)]
    if not reports:
        sys.stderr.write("No flow files there: they end with .yaml or .yml\n")
        raise typer.Exit(1)
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
