"""`tidegate doctor`: whether everything that flows may need is there."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import typer

from engine.cli.options import Config, Data
from engine.settings import Settings, data_folder, load_settings

SQLITE_NEEDED = (3, 35)
SPARE_BYTES = 500_000_000
DOCKER_SOCKET = Path("/var/run/docker.sock")


class Finding(NamedTuple):
    """`level`: ok, note (works, with less) or bad (something will fail)."""

    level: str
    subject: str
    text: str


SIGNS = {"ok": "[green]✓[/]", "note": "[yellow]![/]", "bad": "[red]✗[/]"}


def doctor(data: Data = None, config: Config = None) -> None:
    """Check this machine and the data folder. Exit code 1 when something is wrong."""
    from rich.markup import escape

    from engine.cli import look

    console = look.stdout()
    folder = data_folder(data)
    settings = load_settings(config)
    findings = [*_programs(settings), *_folder(folder)]
    for finding in findings:
        console.print(f"{SIGNS[finding.level]} [bold]{finding.subject}[/]  {escape(finding.text)}")
    raise typer.Exit(1 if any(finding.level == "bad" for finding in findings) else 0)


def _programs(settings: Settings) -> Iterator[Finding]:
    import sqlite3

    from engine import __version__

    yield Finding("ok", "Tidegate", f"{__version__} on Python {sys.version.split()[0]}")
    enough = sqlite3.sqlite_version_info >= SQLITE_NEEDED
    need = "" if enough else f", needs {'.'.join(map(str, SQLITE_NEEDED))} or later"
    yield Finding("ok" if enough else "bad", "SQLite", f"{sqlite3.sqlite_version}{need}")
    yield _duckdb()
    yield _uv()
    yield _containers(settings)


def _duckdb() -> Finding:
    try:
        import duckdb
    except ImportError as error:
        return Finding("bad", "DuckDB", f"can't be imported ({error}): install Tidegate again")
    return Finding("ok", "DuckDB", duckdb.__version__)


def _uv() -> Finding:
    import shutil

    try:
        from uv import find_uv_bin

        return Finding("ok", "uv", f"{find_uv_bin()} makes the environments of Python scripts")
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
        if found:
            return Finding("ok", "uv", f"{found} makes the environments of Python scripts")
        return Finding("bad", "uv", "is missing, Python scripts with beforeCommands will fail: install Tidegate again")


def _containers(settings: Settings) -> Finding:
    if DOCKER_SOCKET.exists():
        return Finding("ok", "Containers", f"an engine listens at {DOCKER_SOCKET}")
    if settings.process.fallback == "never":
        return Finding("note", "Containers", "no engine here, and process.fallback is never: container tasks will fail")
    return Finding("note", "Containers", "no engine here: `tidegate run` runs container tasks as processes")


def _folder(folder: Path) -> Iterator[Finding]:
    import os
    import shutil

    home = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not os.access(home, os.W_OK):
        yield Finding("bad", "Data folder", f"{folder} can't be written: choose another with --data")
        return
    if not folder.exists():
        yield Finding("ok", "Data folder", f"{folder} will be made at the first run")
        return
    free = shutil.disk_usage(folder).free
    level = "ok" if free > SPARE_BYTES else "bad"
    yield Finding(level, "Data folder", f"{folder}, {free // 1_000_000} MB free")
    yield from _database(folder)


def _database(folder: Path) -> Iterator[Finding]:
    import sqlite3

    file = folder / "tidegate.db"
    if not file.exists():
        return
    try:
        connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
        verdict = connection.execute("pragma quick_check(1)").fetchone()[0]
        connection.close()
    except sqlite3.DatabaseError as error:
        verdict = str(error)
    good = verdict == "ok"
    advice = "" if good else ": restore a copy, or start with another --data folder"
    yield Finding("ok" if good else "bad", "Database", f"{file} {'is sound' if good else verdict}{advice}")
