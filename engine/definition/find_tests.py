"""Finds tests of flows beside the flows, and the flows that they need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from engine.definition.check_path import SUFFIXES, read_flow, yaml_files
from engine.definition.diagnostic import Diagnostic, Severity
from engine.definition.document import read_yaml
from engine.definition.flow_test import LoadedSuite, is_suite, load_suite
from engine.definition.load import load_flow
from engine.definition.rules import NONE, Rules
from engine.errors import InvalidFlow
from engine.plugin.index import Index

TESTS = "tests"


class Named(NamedTuple):
    """A flow as its text names it."""

    namespace: str
    id: str


class FoundSuite(NamedTuple):
    """A file of tests, and the texts of the flows that its executions may need, by file."""

    file: Path
    loaded: LoadedSuite
    sources: Mapping[str, str]


class FoundTests(NamedTuple):
    """What is there to run, and everything that is wrong with files of tests and with the flows that they test."""

    suites: tuple[FoundSuite, ...]
    mistakes: tuple[Diagnostic, ...]


def find_tests(paths: Sequence[Path], flows: Path | None, index: Index, rules: Rules = NONE) -> FoundTests:
    """The tests that are meant by flow files, files of tests, and folders of both.

    flows: a folder of more flows that the tested ones may need
    rules: how the installation reads flows
    """
    texts = _Texts()
    suites: list[FoundSuite] = []
    mistakes: list[Diagnostic] = []
    more = yaml_files(flows) if flows else []
    for file, near in _meant(paths, texts):
        try:
            loaded = load_suite(texts.of(file), str(file))
            sources = _sources(loaded, texts, [*near, *more], index, rules)
        except InvalidFlow as error:
            mistakes += (item for item in error.diagnostics if item.severity is Severity.ERROR)
            continue
        tested = next(iter(sources.items()))
        found = loaded.mistakes(load_flow(tested[1], file=tested[0], index=index, rules=rules).flow, file.parent)
        mistakes += found
        if not found:
            suites.append(FoundSuite(file, loaded, sources))
    return FoundTests(tuple(suites), tuple(dict.fromkeys(mistakes)))


class _Texts:
    """Files that were read."""

    def __init__(self) -> None:
        self._texts: dict[Path, str] = {}
        self._named: dict[Path, Named | None] = {}

    def of(self, file: Path) -> str:
        """Raises InvalidFlow for a file that can't be read."""
        if file not in self._texts:
            self._texts[file] = read_flow(file)
        return self._texts[file]

    def is_suite(self, file: Path) -> bool:
        try:
            return is_suite(file, self.of(file))
        except InvalidFlow:
            return is_suite(file, "")

    def named(self, file: Path) -> Named | None:
        """What a file of a flow names it; None where it holds none."""
        if file not in self._named:
            self._named[file] = None if self.is_suite(file) else self._read(file)
        return self._named[file]

    def _read(self, file: Path) -> Named | None:
        try:
            raw = read_yaml(self.of(file)).value
        except InvalidFlow:
            return None
        if not isinstance(raw, dict) or "id" not in raw or "namespace" not in raw:
            return None
        return Named(str(raw["namespace"]), str(raw["id"]))


def _meant(paths: Iterable[Path], texts: _Texts) -> Iterator[tuple[Path, list[Path]]]:
    """Files of tests, each once, with the files near it that may hold flows."""
    seen: set[Path] = set()
    for path in paths:
        if path.is_dir():
            near = yaml_files(path)
            found = [file for file in near if texts.is_suite(file)]
        elif texts.is_suite(path):
            above = path.parent.parent if path.parent.name == TESTS else path.parent
            near = [*_beside(path.parent), *_beside(above)]
            found = [path]
        else:
            near = _beside(path.parent)
            tests = path.parent / TESTS
            all_files = [*near, *(yaml_files(tests) if tests.is_dir() else ())]
            found = [file for file in all_files if texts.is_suite(file) and _tests(file, texts.named(path), texts)]
        for file in found:
            if file.resolve() not in seen:
                seen.add(file.resolve())
                yield file, near


def _beside(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix in SUFFIXES and file.is_file())


def _tests(file: Path, flow: Named | None, texts: _Texts) -> bool:
    """Whether a file of tests is about a flow; one that can't be read is, so that its mistakes are told."""
    try:
        raw = read_yaml(texts.of(file)).value
    except InvalidFlow:
        return True
    if not isinstance(raw, dict) or flow is None or "flowId" not in raw:
        return True
    return (str(raw.get("namespace")), str(raw["flowId"])) == flow


def _sources(loaded: LoadedSuite, texts: _Texts, files: Iterable[Path], index: Index, rules: Rules) -> dict[str, str]:
    """The tested flow, then those that it may start. Raises InvalidFlow."""
    suite = loaded.suite
    wanted = Named(suite.namespace, suite.flow_id)
    named = {file: name for file in files if (name := texts.named(file)) is not None}
    tested = next((file for file, name in named.items() if name == wanted), None)
    if tested is None:
        known = ", ".join(sorted(f"{name.namespace}.{name.id}" for name in set(named.values())))
        text = f"there is no flow '{wanted.namespace}.{wanted.id}' beside the test, only {known or 'none at all'}"
        loaded.collector.error(("flowId",), text, "unknown-flow")
        raise InvalidFlow(loaded.collector.sorted())
    source = texts.of(tested)
    load_flow(source, file=str(tested), index=index, rules=rules)
    sources = {str(tested): source}
    # Whatever starts another flow names it by this property.
    if "flowId" in source:
        others = {name: file for file, name in reversed(named.items()) if name != wanted}
        sources |= {str(file): texts.of(file) for file in others.values() if _valid(texts.of(file), index, rules)}
    return sources


def _valid(source: str, index: Index, rules: Rules) -> bool:
    try:
        load_flow(source, index=index, rules=rules)
    except InvalidFlow:
        return False
    return True
