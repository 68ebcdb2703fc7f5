"""Tests of a flow, as users write them beside it: fixtures, and what must hold at the end of an execution."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import AliasChoices, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from engine.definition.annotations import as_texts
from engine.definition.assertions import OPERATORS
from engine.definition.collect import Collector
from engine.definition.diagnostic import Diagnostic
from engine.definition.document import read_yaml
from engine.definition.expressions import check_texts
from engine.definition.flow import Flow
from engine.definition.forms import leaves
from engine.definition.task import Task
from engine.errors import InvalidFlow
from engine.nearness import near_names, near_or_known

NAMED = re.compile(r".*[._-]test\.ya?ml", re.IGNORECASE)
HOLDS = re.compile(r"^(?:testCases|\"testCases\"|'testCases')\s*:", re.MULTILINE)
LOCAL = "file:"
UNIT_TEST = "io.kestra.core.tests.flow.UnitTest"

End = Literal["SUCCESS", "WARNING", "FAILED", "KILLED", "CANCELLED", "SKIPPED"]
Id = Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._-]*$")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid", alias_generator=to_camel)


class TaskFixture(_Part):
    """What a task gives without being run."""

    id: str = Field(description="The task.")
    value: str | None = Field(None, description="Only under this value of the loop around it.")
    state: End = Field("SUCCESS", description="How it ends.")
    outputs: dict[str, Any] | None = Field(None, description="Its outputs; expressions see the variable `files` too.")
    assets: list[Any] | None = Field(None, description="Ignored: there are no assets.")
    description: str | None = Field(None, description="Why.")


class TriggerFixture(_Part):
    """What would have started the execution."""

    id: str = Field(description="The trigger.")
    type: str = Field(description="Its type.")
    variables: dict[str, Any] = Field(default={}, description="What expressions see as `trigger`.")


class Fixtures(_Part):
    """What an execution is started with, and what stands in the place of tasks."""

    inputs: dict[str, Any] = Field(default={}, description="Inputs; expressions see the variable `files`.")
    files: dict[str, str] = Field(
        default={}, description="Files by name: the content, or `file:PATH` beside the test; `files[name]` is the URI."
    )
    tasks: tuple[TaskFixture, ...] = Field(default=(), description="Tasks that aren't run.")
    trigger: TriggerFixture | None = Field(None, description="What started the execution.")
    namespace_files: dict[str, str] = Field(default={}, description="Files of the flow's namespace, as in `files`.")
    kv: dict[str, Any] = Field(default={}, description="Keys of the flow's namespace.")
    secrets: dict[str, str] = Field(default={}, description="Secrets.")


class Assertion(_Part):
    """What must hold of a value: every operator that is given."""

    value: Any = Field(description="Expression, rendered when the execution has ended.")
    task_id: str | None = Field(None, description="The task whose variables the value sees.")
    description: str | None = Field(None, description="What it is about.")
    error_message: str | None = Field(None, description="What to say when it doesn't hold.")
    equal_to: Any = Field(None, validation_alias=AliasChoices("equalTo", "equalsTo"))
    not_equal_to: Any = Field(None, validation_alias=AliasChoices("notEqualTo", "notEqualsTo"))
    contains: Any = None
    starts_with: str | None = None
    ends_with: str | None = None
    greater_than: float | str | None = None
    greater_than_or_equal_to: float | str | None = None
    less_than: float | str | None = None
    less_than_or_equal_to: float | str | None = None
    in_: list[Any] | str | None = Field(None, alias="in")
    not_in: list[Any] | str | None = None
    is_null: bool | None = None
    is_not_null: bool | None = None

    @property
    def claims(self) -> Iterator[tuple[str, Any]]:
        """Operators with what they are given."""
        for name in OPERATORS:
            field = "in_" if name == "in" else _snake(name)
            if field in self.model_fields_set:
                yield name, getattr(self, field)


class Case(_Part):
    """One execution and what must hold at its end."""

    id: str = Id
    type: str = UNIT_TEST
    description: str | None = None
    disabled: bool = False
    fixtures: Fixtures = Fixtures()
    expected_state: End | None = Field(None, description="How the execution must end; by default it doesn't matter.")
    assertions: tuple[Assertion, ...] = Field(description="What must hold.")


class Suite(_Part):
    """A file of tests."""

    id: str = Id
    namespace: str
    flow_id: str
    description: str | None = None
    disabled: bool = False
    deleted: bool = False
    test_cases: tuple[Case, ...]


class LoadedSuite(NamedTuple):
    """Tests, and where what they say stands."""

    suite: Suite
    collector: Collector

    def line(self, case: int, assertion: int) -> int:
        """Where an assertion starts."""
        return self.collector.line(("testCases", case, "assertions", assertion))

    def mistakes(self, flow: Flow, folder: Path) -> tuple[Diagnostic, ...]:
        """What doesn't fit the flow that is tested, and local files that aren't there; `folder` is the test's."""
        before = set(self.collector.sorted())
        tasks = {task.fields.id: task for task in _all_tasks(flow)}
        inputs = {leaf.id: leaf.input.type for leaf in leaves(flow.inputs or ())}
        for number, case in enumerate(self.suite.test_cases):
            place = ("testCases", number, "fixtures")
            for name, value in case.fixtures.inputs.items():
                if inputs.get(name) == "FILE" and is_local(value):
                    self._check_file(value, folder, (*place, "inputs", name))
                elif name not in inputs:
                    text = f"the flow has no input '{name}'{near_or_known(name, sorted(inputs))}"
                    self.collector.error((*place, "inputs", name), text, "unknown-input", key=True)
            for group in ("files", "namespaceFiles"):
                for name, given in getattr(case.fixtures, _snake(group)).items():
                    if given.startswith(LOCAL):
                        self._check_file(given, folder, (*place, group, name))
            for index, fixture in enumerate(case.fixtures.tasks):
                self._check_task(fixture, tasks, (*place, "tasks", index))
            for index, assertion in enumerate(case.assertions):
                if assertion.task_id is not None and assertion.task_id not in tasks:
                    self._no_task(assertion.task_id, tasks, ("testCases", number, "assertions", index, "taskId"))
        return tuple(item for item in self.collector.sorted() if item not in before)

    def _check_task(self, fixture: TaskFixture, tasks: dict[str, Task], path: tuple[str | int, ...]) -> None:
        if fixture.id not in tasks:
            self._no_task(fixture.id, tasks, (*path, "id"))
        elif fixture.value is not None and tasks[fixture.id].shape is not None:
            text = "a block is mocked for all values of a loop or for none: leave `value` out"
            self.collector.error((*path, "value"), text, "wrong-value")

    def _check_file(self, given: str, folder: Path, path: tuple[str | int, ...]) -> None:
        if not beside(folder, given).is_file():
            self.collector.error(path, f"there is no file {beside(folder, given)}", "unknown-file")

    def _no_task(self, id: str, tasks: dict[str, Task], path: tuple[str | int, ...]) -> None:
        near = near_names(id, sorted(tasks))
        self.collector.error(
            path, f"the flow has no task '{id}'{near_or_known(id, sorted(tasks))}", "unknown-task", near
        )


def is_local(value: Any) -> bool:
    """Whether the value of a FILE input names a file of this machine."""
    return isinstance(value, str) and "{{" not in value and "://" not in value.removeprefix(f"{LOCAL}//")


def beside(folder: Path, given: str) -> Path:
    """A local file, named from the folder of the test."""
    return folder / given.removeprefix(LOCAL).removeprefix("//")


def is_suite(file: Path, text: str) -> bool:
    """Whether a file holds tests and no flow."""
    return NAMED.fullmatch(file.name) is not None or HOLDS.search(text) is not None


def load_suite(text: str, file: str | None = None) -> LoadedSuite:
    """Read a file of tests. Raises InvalidFlow with every mistake."""
    document = read_yaml(text)
    collector = Collector(document, file)
    if document.broken:
        raise InvalidFlow(collector.sorted())
    if not isinstance(document.value, dict):
        collector.error((), "a file of tests is a map with id, namespace, flowId and testCases", "wrong-value")
        raise InvalidFlow(collector.sorted())
    suite = collector.validate(Suite, as_texts((Suite,), document.value, (), collector.text), ())
    if suite is not None:
        _check(suite, collector)
        check_texts(document.value, (), collector)
    if suite is None or collector.errors:
        raise InvalidFlow(collector.sorted())
    return LoadedSuite(suite, collector)


def _check(suite: Suite, collector: Collector) -> None:
    if not suite.test_cases:
        collector.error(("testCases",), "must not be empty", "wrong-value")
    seen: set[str] = set()
    for number, case in enumerate(suite.test_cases):
        if case.id in seen:
            collector.error(("testCases", number, "id"), f"Duplicate test case id: {case.id}", "duplicate-id")
        seen.add(case.id)
        if case.type.removeprefix("io.kestra.") != UNIT_TEST.removeprefix("io.kestra."):
            collector.error(
                ("testCases", number, "type"), f"Invalid type: {case.type}, must be {UNIT_TEST}", "wrong-value"
            )
        for index, assertion in enumerate(case.assertions):
            if not any(assertion.claims):
                text = f"an assertion says what must hold: {', '.join(OPERATORS)}"
                collector.error(("testCases", number, "assertions", index), text, "required")


def _all_tasks(flow: Flow) -> Iterator[Task]:
    todo = [task for branch in flow.branches.values() for task in branch]
    while todo:
        task = todo.pop()
        yield task
        todo.extend(child for branch in task.branches.values() for child in branch)


def _snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda found: f"_{found[0].lower()}", name)
