"""Whatever the text, the answer is a flow or diagnostics."""

from __future__ import annotations

import json
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.definition.compile import compile_flow
from engine.definition.diagnostic import Diagnostic, Severity
from engine.definition.load import load_flow
from engine.errors import InvalidFlow
from support.definition_plugins import INDEX

SEED = """\
# dialect: 1
id: hello
namespace: company.team
labels: {a: 1.10, b: &b yes}
variables: {x: *b, y: [1, 010, ~]}
inputs:
- {id: n, type: INT, min: 1, defaults: 2}
- {id: s, type: SELECT, values: [a, b], dependsOn: {inputs: [n], condition: "{{ inputs.n > 1 }}"}}
tasks:
- id: a
  type: core.log.Log
  message: [1, "{{ x }}"]
  retry: {type: exponential, interval: PT1S, maxInterval: PT1M, maxAttempts: 3}
  timeout: PT5S
- id: b
  type: core.flow.If
  condition: "{{ true }}"
  then:
  - {id: c, type: core.http.Request, uri: u, options: {readTimeout: PT1S}, headers: {a: 1}}
  else:
  - {id: s, type: scripts.shell.Script, commands: [ls], taskRunner: {type: scripts.shell.Process}}
- id: d
  type: core.flow.Dag
  tasks:
  - task: {id: e, type: core.log.Log, message: hi}
  - task: {id: f, type: core.log.Log, message: hi}
    dependsOn: [e]
outputs:
- {id: o, type: STRING, value: "{{ outputs.a }}"}
triggers:
- {id: t, type: core.trigger.Schedule, cron: "* * * * *"}
"""
PIECES = [
    "", ":", "- ", "{", "}", "[", "]", "*b", "&b ", "<<: *b", "\t", "\n", "'", '"', "null", "~", "5", "-1", "1e999",
    "!!x ", "{a: 1}", "[[1]]", "{{ x }}", "yes", "id: a", "type: ", "core.flow.Dag", "core.log.Log", "when: x", "\x00",
    "\ud800", "FORM", "system.x", "PT", "tasks:", "disabled: {}", "---", "? ", "|", ">", "%", "@", "é", "\U0001f600",
    "\x85", "\u2028",
]  # fmt: skip
LINES = SEED.splitlines(keepends=True)
TOKENS = ("core.log.Log", "core.flow.If", "PT1S", "yes", "1", "[e]", "{", "- ", "  ", "a", "tasks", "INT", "[1", "true")

edits = st.lists(
    st.one_of(
        st.tuples(st.just("insert"), st.integers(0, len(SEED)), st.sampled_from(PIECES)),
        st.tuples(st.just("delete"), st.integers(0, len(SEED)), st.integers(1, 40)),
        st.tuples(st.just("token"), st.sampled_from(TOKENS), st.sampled_from(PIECES)),
        st.tuples(st.just("line"), st.integers(0, len(LINES) - 1), st.integers(0, len(LINES) - 1)),
    ),
    min_size=1,
    max_size=6,
)


def mutated(text: str, changes: list[tuple[str, int | str, int | str]]) -> str:
    for kind, where, what in changes:
        if kind == "insert":
            text = f"{text[: int(where)]}{what}{text[int(where) :]}"
        elif kind == "delete":
            text = text[: int(where)] + text[int(where) + int(what) :]
        elif kind == "token":
            text = text.replace(str(where), str(what), 1)
        else:
            text = text.replace(LINES[int(where)], LINES[int(what)], 1)
    return text


def check(text: str) -> None:
    lines = sum(text.count(end) for end in "\n\r\x85\u2028\u2029") + 2
    for item in diagnostics(text):
        assert 1 <= item.line <= lines
        assert item.column >= 1
        assert item.message


def diagnostics(text: str) -> Sequence[Diagnostic]:
    try:
        loaded = load_flow(text, file="f.yaml", index=INDEX)
    except InvalidFlow as error:
        assert any(item.severity is Severity.ERROR for item in error.diagnostics)  # noqa: PT017
        return error.diagnostics
    compile_flow(loaded.flow, 1)
    return loaded.warnings


@settings(max_examples=400, deadline=None)
@given(edits)
def test_a_mutated_flow_is_a_flow_or_diagnostics(changes: list[tuple[str, int | str, int | str]]) -> None:
    check(mutated(SEED, changes))


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_a_flow_or_diagnostics(text: str) -> None:
    check(text)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "a", "PT1S", "{{ x }}", "core.log.Log"]),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(["id", "type", "tasks", "a"]), below),
    max_leaves=6,
)
NAMES = (
    "id", "namespace", "revision", "labels", "inputs", "variables", "tasks", "errors", "finally", "triggers", "outputs",
    "retry", "disabled", "concurrency", "listeners", "deleted",
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), VALUES))
def test_any_values_are_a_flow_or_diagnostics(values: dict[str, object]) -> None:
    check(json.dumps({"id": "f", "namespace": "n", "tasks": [{"id": "a", "type": "core.log.Log"}], **values}))


def test_the_unchanged_flow_is_fine() -> None:
    assert load_flow(SEED, index=INDEX).flow.id == "hello"
