"""`tidegate validate`: all mistakes of flow files, with their places."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.options import Config, Json

if TYPE_CHECKING:
    from engine.definition.migration import Piece


def validate(
    paths: Annotated[list[Path], typer.Argument(help="Flow files or folders of them.", exists=True)],
    dialect: Annotated[
        bool, typer.Option("--dialect", help="Also show which dialect each flow is in and what has other names now.")
    ] = False,
    as_json: Json = False,
    config: Config = None,
) -> None:
    """Check flows. Exit code 1 when one has a mistake."""
    from engine.definition.check_path import check_path
    from engine.definition.rules import rules_of
    from engine.plugin.index import installed
    from engine.settings import load_settings

    rules = rules_of(load_settings(config))
    reports = [report for path in paths for report in check_path(path, installed(), rules, migration=dialect)]
    if not reports:
        sys.stderr.write("No flow files there: they end with .yaml or .yml\n")
        raise typer.Exit(1)
    if as_json:
        from engine.cli.look import as_json as to_json

        typer.echo(to_json(_named(reports)))
    else:
        for report in reports:
            _print(report)
    raise typer.Exit(1 if any(report.errors for report in reports) else 0)


def _named(value: object) -> object:
    """Records as maps of their fields."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {name: _named(item) for name, item in zip(value._fields, value, strict=True)}
    return [_named(item) for item in value] if isinstance(value, list | tuple) else value


def _print(report: object) -> None:
    from engine.definition.check_path import Report

    assert isinstance(report, Report)
    for diagnostic in (*report.errors, *report.warnings):
        sys.stderr.write(f"{diagnostic}\n")
    if not report.errors:
        sys.stdout.write(f"✓ {report.file}: {report.flow}\n")
    if report.migration is not None:
        sys.stdout.write(f"  dialect {report.migration.dialect}: {report.migration.reason}\n")
        for piece in report.migration.pieces:
            sys.stdout.write(f"  {piece.line}:{piece.column} {piece.path}: {told(piece)}\n")


def told(piece: Piece) -> str:
    """What a piece of a flow is called elsewhere."""
    if piece.kind == "relocation":
        return f"{piece.name} is called {piece.instead} now"
    if piece.kind == "deprecated":
        return f"{piece.name} is deprecated, in its place: {piece.instead}"
    return f"{piece.name} is of one dialect, in the other: {piece.instead}"
