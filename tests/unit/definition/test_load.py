"""Flows, and everything that is wrong with them."""

from __future__ import annotations

import textwrap

import pytest

from engine.definition.diagnostic import Severity
from engine.definition.load import Loaded, load_flow
from engine.errors import InvalidFlow
from support.definition_plugins import INDEX

LOG = "- {id: log, type: core.log.Log, message: hi}"


def load(text: str) -> Loaded:
    return load_flow(textwrap.dedent(text), index=INDEX)


def mistakes(text: str) -> list[str]:
    with pytest.raises(InvalidFlow) as caught:
        load(text)
    return [str(item) for item in caught.value.diagnostics if item.severity is Severity.ERROR]


def flow(rest: str, tasks: str = LOG) -> str:
    lines = ["id: f", "namespace: n", *([rest] if rest else []), "tasks:", tasks]
    return "\n".join(lines)


def task(properties: str) -> str:
    return flow("", f"- {{id: t, {properties}}}")


def test_a_flow_with_many_mistakes_reports_all_of_them_at_their_places() -> None:
    text = """\
        id: hello!
        namespace: company.team
        label: {a: 1}
        labels: {system.app: mine}
        quotas: [{limit: 1}]
        inputs:
        - {id: name, type: STRNG, defaults: x}
        - {id: name, type: STRING, min: 3}
        tasks:
        - id: a
          type: core.log.Log
          mesage: 1.10
          level: INFOO
        - id: a
          type: io.kestra.plugin.core.flow.If
          condition: "{{ true }}"
          retry: {type: constant, interval: 1s, maxAttempt: 3}
          then:
          - {id: c, type: core.log.Logg, message: hi, timeout: 5m}
          - 5
        - id: d
          type: core.http.Request
          uri: http://x
          retries: "{{ x }}"
          options: {readTimout: 5, followRedirects: maybe}
          runif: true
        - id: e
          type: core.flow.Dag
          tasks:
          - task: {id: e1, type: core.log.Log, message: hi}
            dependsOn: [e2]
        triggers:
        - {id: t, type: io.kestra.plugin.core.trigger.Schedule, corn: "* * * * *"}
        """
    kinds = (
        "'STRING', 'INT', 'FLOAT', 'BOOLEAN', 'BOOL', 'DATETIME', 'DATE', 'TIME', 'DURATION', 'FILE', 'JSON', 'YAML', "
        "'URI', 'EMAIL', 'SECRET', 'SELECT', 'MULTISELECT', 'ENUM', 'ARRAY', 'ION', 'FORM', 'OBJECT' or 'TABLE'"
    )
    assert mistakes(text) == [
        '1:5: id: must match "^[a-zA-Z0-9][a-zA-Z0-9._-]*$", but is hello!',
        "3:1: Unrecognized field \"label\", did you mean 'labels'?",
        "4:10: labels.system.app: System labels can only be set by Kestra itself, offending label: system.app=mine",
        "5:1: quotas: is not available in this version: executions would not be limited",
        f"7:20: inputs[0].type: Invalid type: STRNG, must be {kinds}, did you mean 'STRING'?",
        "8:3: inputs[1]: 'min' has no meaning for inputs of type STRING, remove it",
        "8:8: inputs[1].id: Duplicate input with name [name], it stands first on line 7",
        "12:3: tasks[0]: Unrecognized field \"mesage\", did you mean 'message'?",
        "13:10: tasks[0].level: must be 'TRACE', 'DEBUG', 'INFO', 'WARN' or 'ERROR', but is INFOO, "
        "did you mean 'INFO'?",
        "14:7: tasks[1].id: Duplicate task id with name [a], it stands first on line 10",
        "17:37: tasks[1].retry.interval: must be a duration like PT30S, PT1H30M or P1D, but is '1s'",
        "19:19: tasks[1].then[0].type: Invalid type: core.log.Logg, did you mean core.log.Log or core.flow.Log "
        "or core.log.Dag?",
        "19:56: tasks[1].then[0].timeout: must be a duration like PT30S, PT1H30M or P1D, but is '5m'",
        "20:5: tasks[1].then[1]: must be a map, but is 5",
        "25:13: tasks[2].options: Unrecognized field \"readTimout\", did you mean 'readTimeout'?",
        "25:45: tasks[2].options.followRedirects: must be true or false, but is maybe",
        "26:3: tasks[2]: Unrecognized field \"runif\", did you mean 'runIf'?",
        "27:3: tasks[3]: e: Not existing task id in dependency: e2",
        "33:57: triggers[0]: Unrecognized field \"corn\", did you mean 'cron'?",
    ]


def test_diagnostics_name_the_file_and_carry_code_path_and_near_names() -> None:
    with pytest.raises(InvalidFlow) as caught:
        load_flow(task("type: core.log.Log, message: hi, levle: INFO"), file="flows/f.yaml", index=INDEX)
    (found,) = caught.value.diagnostics
    assert str(found).startswith("flows/f.yaml:4:44: ")
    assert (found.code, found.path, found.near) == ("unknown-property", ("tasks", 0, "levle"), ("level",))


def test_text_properties_keep_what_was_written() -> None:
    loaded = load(flow("labels: {version: 1.10, on: yes}", "- {id: a, type: core.log.Log, message: [1.0, no, x]}"))
    assert loaded.flow.label_map() == {"version": "1.10", "on": "yes"}
    assert loaded.flow.branches["tasks"][0].properties == {"message": ["1.0", "no", "x"]}


def test_numbers_stay_numbers_where_a_number_or_anything_fits() -> None:
    loaded = load(task("type: core.http.Request, uri: u, retries: 010, headers: {a: 010}, body: {n: 010, b: yes}"))
    properties = loaded.flow.branches["tasks"][0].properties
    assert properties["retries"] == 8
    assert properties["headers"] == {"a": "010"}
    assert properties["body"] == {"n": 8, "b": True}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1:1: a flow is a map with at least id, namespace and tasks"),
        ("- a", "1:1: a flow is a map with at least id, namespace and tasks"),
        ("id: f\nnamespace: n", "1:1: tasks: must not be empty"),
        ("id: f\nnamespace: n\ntasks: []", "3:8: tasks: must not be empty"),
        ("id: f\nnamespace: n\ntasks: null", "3:8: tasks: must be a list, but has no value"),
        ("id: f\nnamespace: n\ntasks: [5]", "3:9: tasks[0]: must be a map, but is 5"),
        ("id: f\nnamespace: N\ntasks: " + LOG[2:], '2:12: namespace: must match "^[a-z0-9][a-z0-9._-]*$", but is N'),
        (task("type: core.log.Log"), "4:3: tasks[0]: the property 'message' is required"),
        (task("type: core.log.Log, message: {a: 1}"), "message: must be text or a list, but is"),
        (task("type: core.log.Log, message: hi, disabled: maybe"), "disabled: must be true or false, but is maybe"),
        (task("type: core.log.Log, message: hi, timeout: PT0S"), "timeout: must be longer than zero"),
        (task("message: hi"), "4:3: tasks[0]: the property 'type' is required"),
        (task("type: scripts.shell.Process"), "scripts.shell.Process is not a task"),
        (task("type: core.http.Request, uri: u, retries: -1"), "retries: must be greater than or equal to 0"),
        (task("type: core.flow.Picky, tasks: [5]"), "tasks[0]: must be a map, but is 5"),
        (task("type: core.http.Broken"), "Broken failed to check its properties: RuntimeError: out of order"),
        (
            task("type: scripts.shell.Script, commands: [ls], taskRunner: {type: scripts.shell.Process, shel: sh}"),
            "tasks[0].taskRunner: Unrecognized field \"shel\", did you mean 'shell'?",
        ),
        (task("type: core.log.Log, message: hi, when: true, runIf: true"), "'runIf' and 'when' are one property"),
        (flow("labels: {a: null}"), "labels.a: must be text, but has no value"),
        (flow("labels: [{key: a}]"), "labels[0]: the property 'value' is required"),
        (flow("labels: [{key: system.id, value: x}]"), "offending label: system.id=x"),
        (flow("quotas: [{duration: PT1H}]"), "quotas: is not available in this version"),
        (flow("inputs: [{id: a, type: FORM}]"), "an input of type FORM needs 'inputs'"),
        (flow("inputs: [{id: a, type: ARRAY}]"), "an input of type ARRAY needs 'itemType'"),
        (flow("inputs: [{id: a, type: ARRAY, itemType: ARRAY}]"), "`itemType` cannot be `ARRAY`"),
        (flow("inputs: [{id: a, type: SELECT}]"), "an input of type SELECT needs 'values' or 'expression'"),
        (flow("inputs: [{id: a, type: FILE, defaults: x}]"), "only support `defaults` as local files"),
        (flow("inputs: [{id: a, type: INT, min: x}]"), "'min': it must be a whole number, but is x"),
        (flow("inputs: [{id: a, type: STRING, validator: '('}]"), "invalid pattern [(]"),
        (flow("inputs: [{id: a, type: STRING, defaults: x, prefill: y}]"), "'prefill' cannot be used together"),
        (
            flow("inputs: [{id: a, type: INT}, {id: b, type: INT, dependsOn: {inputs: [aa]}}]"),
            "Input with id 'b' depends on a non-existent input 'aa'",
        ),
        (
            flow(
                "inputs: [{id: a, type: INT, dependsOn: {inputs: [b]}}, {id: b, type: INT, dependsOn: {inputs: [a]}}]"
            ),
            "Cycle dependency detected for input with id 'a': [b]",
        ),
        (flow("outputs: [{id: a, type: INT}]"), "outputs[0]: the property 'value' is required"),
        (
            flow("outputs: [{id: a, type: INT, value: 1}, {id: a, type: INT, value: 1}]"),
            "Duplicate output with name [a]",
        ),
        (flow("retry: {type: random, minInterval: PT1S}"), "'maxInterval' is required for a retry of type random"),
        (
            flow("retry: {type: constant, interval: PT2S, maxDuration: PT1S}"),
            "'interval' must be less than 'maxDuration' but is PT2S",
        ),
        (flow("triggers: [{id: a, type: x.Y}, {id: a, type: x.Y}]"), "Duplicate trigger id with name [a]"),
        (flow("triggers: [{type: x.Y}]"), "triggers[0]: the property 'id' is required"),
        (flow("triggers: [{id: a, type: core.log.Log}]"), "core.log.Log is not a trigger"),
    ],
)
def test_a_mistake_is_said_in_one_sentence(text: str, message: str) -> None:
    assert message in "\n".join(mistakes(text))


def test_a_graph_in_a_ring_names_its_members_only() -> None:
    steps = "\n".join(
        f"  - task: {{id: {id}, type: core.log.Log, message: hi}}\n    dependsOn: [{waits}]"
        for id, waits in (("a", "b"), ("b", "a"), ("c", "b"))
    )
    found = mistakes(flow("", f"- id: dag\n  type: core.flow.Dag\n  tasks:\n{steps}"))
    assert found == ["4:3: tasks[0]: dag: Cyclic dependency detected: a, b"]


def test_children_of_a_wrong_block_are_checked_too() -> None:
    found = mistakes(flow("", "- id: b\n  type: core.flow.If\n  then: [{id: c, type: core.log.Nope}]"))
    assert len(found) == 2
    assert "the property 'condition' is required" in found[0]
    assert "Invalid type: core.log.Nope" in found[1]


def test_templates_are_judged_when_they_are_rendered() -> None:
    load(task('type: core.http.Request, uri: "{{ u }}", retries: "{{ r }}", options: "{{ o }}", headers: "{{ h }}"'))
    load(task('type: core.log.Log, message: hi, timeout: "{{ t }}"'))


def test_an_old_name_of_a_type_still_works() -> None:
    loaded = load(task("type: io.kestra.core.tasks.log.Log, message: hi"))
    assert loaded.flow.branches["tasks"][0].type_name == "io.kestra.plugin.core.log.Log"
    load(task("type: io.kestra.other.OldLog, message: hi"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (flow("triggers: [{id: a, type: x.Y}]"), "x.Y is not installed, so that nothing is started by it"),
        (
            task(
                "type: core.flow.Sequential, tasks: [{id: x, type: core.log.Log, message: m}], taskCache: {enabled: 1}"
            ),
            "taskCache: has no effect on a block",
        ),
        ("id: pause\nnamespace: n\ntasks: [{id: a, type: core.log.Log, message: hi}]", "'pause' is a reserved word"),
    ],
)
def test_what_has_no_effect_is_a_warning(text: str, message: str) -> None:
    (warning,) = load(text).warnings
    assert warning.severity is Severity.WARNING
    assert message in str(warning)
    assert ": warning: " in str(warning)


def test_empty_lists_of_unavailable_properties_do_no_harm() -> None:
    assert load(flow("listeners: []\npluginDefaults: null")).warnings == ()


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        (task("type: core.log.Log, message: hi"), 1),
        (task("type: core.log.Log, message: hi, when: x"), 2),
        ("# dialect: 2\n" + task("type: core.log.Log, message: hi"), 2),
        (flow("triggers: [{id: t, type: core.trigger.Flow, dependsOn: []}]"), 2),
        (
            flow(
                "", "- {id: s, type: core.flow.Sequential, tasks: [{id: a, type: core.log.Log, message: m, when: x}]}"
            ),
            2,
        ),
        (flow("variables: {when: {id: a}}"), 1),
    ],
)
def test_the_dialect_of_a_flow(text: str, dialect: int) -> None:
    assert load(text).dialect == dialect


def test_a_flow_that_names_dialect_1_has_no_when() -> None:
    found = mistakes("# dialect: 1\n" + task("type: core.log.Log, message: hi, when: x"))
    assert found == ["5:44: tasks[0].when: exists in dialect 2 only, write 'runIf'"]


def test_types_of_dialect_2_make_a_flow_one_of_it_unless_its_first_line_says_otherwise() -> None:
    text = flow("inputs: [{id: a, type: TABLE, columns: [{id: b, type: INT}]}]")
    assert load(text).dialect == 2
    assert mistakes("# dialect: 1\n" + text) == ["4:24: inputs[0].type: inputs of type TABLE exist in dialect 2 only"]


@pytest.mark.parametrize(
    ("declared", "mistake"),
    [
        ("{id: a, type: FORM, inputs: [{id: b, type: FORM, inputs: [{id: c, type: INT}]}]}", "can't hold another"),
        (
            "{id: a, type: OBJECT, properties: [{id: b, type: FILE}]}",
            "an input of type OBJECT can't hold one of type FILE",
        ),
        ("{id: a, type: TABLE, columns: [{id: b, type: INT, defaults: 1}]}", "'b': 'defaults' can't be set inside"),
        ("{id: a, type: TABLE, columns: []}", "an input of type TABLE needs 'columns'"),
        ("{id: a, type: STRING, columns: [{id: b, type: INT}]}", "'columns' has no meaning for inputs of type STRING"),
        ("{id: a, type: FORM, inputs: [{id: b, type: INT}, {id: b, type: INT}]}", "Duplicate input with name [a.b]"),
        (
            "{id: a, type: FORM, inputs: [{id: b, type: INT, dependsOn: {inputs: [c]}}, {id: c, type: INT}]}",
            "Input with id 'a.b' depends on a non-existent input 'c', did you mean 'a.c'?",
        ),
    ],
)
def test_inputs_that_hold_others_are_checked(declared: str, mistake: str) -> None:
    assert any(mistake in text for text in mistakes(flow(f"inputs: [{declared}]")))


def test_expressions_whose_syntax_is_wrong_are_warnings_at_their_place() -> None:
    loaded = load(
        flow(
            "outputs: [{id: o, type: STRING, value: '{{ a b }}'}]\nvariables: {x: '{{ a b }}'}",
            "- id: t\n  type: core.log.Log\n  description: '{{ a b }}'\n  message:\n  - '{{ ok }}'\n  - '{{ (1 }}'\n",
        )
    )
    assert [(item.line, item.column, item.path) for item in loaded.warnings] == [
        (3, 40, ("outputs", 0, "value")),
        (11, 5, ("tasks", 0, "message", 1)),
    ]
    assert all("the expression can't be read: " in item.message for item in loaded.warnings)


@pytest.mark.parametrize("branch", ["errors", "finally", "afterExecution"])
def test_expressions_of_every_branch_are_checked(branch: str) -> None:
    warnings = load(flow(f"{branch}: [{{id: other, type: core.log.Log, message: '{{{{ a b }}}}'}}]")).warnings
    assert [item.path for item in warnings] == [(branch, 0, "message")]


def test_expressions_of_listeners_are_checked() -> None:
    task = "{id: other, type: core.log.Log, message: '{{ a b }}'}"
    warnings = load(flow(f"listeners: [{{tasks: [{task}]}}]")).warnings
    assert ("listeners", 0, "tasks", 0, "message") in [item.path for item in warnings]


def test_run_if_in_dialect_2_is_read_with_a_warning() -> None:
    loaded = load("# dialect: 2\n" + task("type: core.log.Log, message: hi, runIf: x"))
    assert "write 'when'" in str(loaded.warnings[0])
    assert loaded.flow.branches["tasks"][0].fields.run_if == "x"
