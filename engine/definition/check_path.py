"""Checks flow files for `tidegate validate`."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from engine.definition.diagnostic import Diagnostic, Severity
from engine.definition.flow_test import is_suite, load_suite
from engine.definition.load import load_flow
from engine.definition.migration import Migration, migration_of
from engine.definition.rules import NONE, Rules
from engine.errors import InvalidFlow
from engine.plugin.index import Index

SUFFIXES = frozenset({".yaml", ".yml"})


class Report(NamedTuple):
    """What was found in one file.

    flow: `namespace.id`, empty where the file holds nothing valid
    migration: the dialect of a flow and what in it has other names, where that was asked for
    """

    file: str
    flow: str
    errors: tuple[Diagnostic, ...]
    warnings: tuple[Diagnostic, ...]
    migration: Migration | None = None


def check_path(path: Path, index: Index, rules: Rules = NONE, *, migration: bool = False) -> list[Report]:
    """A report for a file, or for each flow file and file of tests below a folder, hidden ones left out."""
    reports = [check_file(file, index, rules) for file in (yaml_files(path) if path.is_dir() else [path])]
    return [_with_migration(report, index, rules) for report in reports] if migration else reports


def _with_migration(report: Report, index: Index, rules: Rules) -> Report:
    file = Path(report.file)
    try:
        text = read_flow(file)
    except InvalidFlow:
        return report
    return report if is_suite(file, text) else report._replace(migration=migration_of(text, index, rules))


def flow_files(folder: Path) -> list[Path]:
    """Flow files below a folder, sorted, hidden ones and tests of flows left out."""
    return [file for file in yaml_files(folder) if not is_test(file)]


def is_test(file: Path) -> bool:
    """Whether a file holds tests of a flow. Never raises for one that can't be read."""
    try:
        return is_suite(file, read_flow(file))
    except InvalidFlow:
        return is_suite(file, "")


def yaml_files(folder: Path) -> list[Path]:
    """YAML files below a folder, sorted, hidden ones left out."""
    files = sorted(file for file in folder.rglob("*") if file.suffix in SUFFIXES and file.is_file())
    return [file for file in files if not any(part.startswith(".") for part in file.relative_to(folder).parts)]


def check_file(file: Path, index: Index, rules: Rules = NONE) -> Report:
    """Everything that is wrong with a file. Never raises for what is in it or that it can't be read."""
    name = str(file)
    try:
        text = read_flow(file)
        if is_suite(file, text):
            tests = load_suite(text, name)
            return Report(name, f"{tests.suite.id} (tests)", (), tests.collector.sorted())
        loaded = load_flow(text, file=name, index=index, rules=rules)
    except InvalidFlow as error:
        errors = tuple(item for item in error.diagnostics if item.severity is Severity.ERROR)
        return Report(name, "", errors, tuple(item for item in error.diagnostics if item.severity is Severity.WARNING))
    return Report(name, f"{loaded.flow.namespace}.{loaded.flow.id}", (), loaded.warnings)


def read_flow(file: Path) -> str:
    """The text of a flow file. Raises InvalidFlow for one that can't be read."""
    try:
        return file.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidFlow([_unreadable(file, f"the file is not UTF-8 text, see byte {error.start}")]) from None
    except OSError as error:
        raise InvalidFlow([_unreadable(file, f"the file can't be read: {error.strerror}")]) from None


def _unreadable(file: Path, message: str) -> Diagnostic:
    return Diagnostic(message, 1, 1, "unreadable", file=str(file))
