"""Everything that can be wrong with a flow as a whole, each with its words and its place."""

from __future__ import annotations

import textwrap

import pytest

from engine.definition.diagnostic import Severity
from engine.definition.load import load_flow
from engine.errors import InvalidFlow
from engine.plugin.index import installed

HERE = "§"
LOG = "tasks: [{id: log, type: core.log.Log, message: hi}]"


def task(properties: str) -> str:
    return f"tasks:\n- {{id: t, {properties}}}"


def trigger(properties: str) -> str:
    return f"{LOG}\ntriggers:\n- {{id: t, {properties}}}"


def flow_trigger(preconditions: str) -> str:
    return trigger(f"type: core.trigger.Flow, preconditions: {{id: p, {preconditions}}}")


def window(properties: str) -> str:
    return flow_trigger(f"timeWindow: §{{{properties}}}")


def retry(properties: str) -> str:
    return task(f"type: core.log.Log, message: hi, retry: §{{{properties}}}")


def declared(properties: str) -> str:
    return f"{LOG}\ninputs:\n- {properties}"


BLOCK = "type: core.log.Log, message: hi"
DASHES = "reference: use {0}[key-name] instead of {0}.key-name — keys with dashes require bracket notation, offending "
VIOLATIONS = [
    # The flow.
    (f"tasks:\n- {{id: a, {BLOCK}}}\n- {{id: §a, {BLOCK}}}", "Duplicate task id with name [a]"),
    (
        f"tasks:\n- {{id: a, {BLOCK}}}\nerrors:\n- {{id: s, type: core.flow.Sequential, tasks: [{{id: §a, {BLOCK}}}]}}",
        "Duplicate task id with name [a]",
    ),
    (
        trigger("type: core.trigger.Webhook, key: a}\n- {id: §t, type: core.trigger.Webhook, key: b"),
        "Duplicate trigger id with name [t]",
    ),
    (declared("{id: a, type: INT}\n- {id: §a, type: INT}"), "Duplicate input with name [a]"),
    (
        f"{LOG}\noutputs:\n- {{id: a, type: INT, value: 1}}\n- {{id: §a, type: INT, value: 1}}",
        "Duplicate output with name [a]",
    ),
    (
        f"{LOG}\ntriggers:\n- {{id: a, type: core.trigger.Flow, preconditions: {{id: p}}}}\n"
        "- {id: b, type: core.trigger.Flow, preconditions: {id: §p}}",
        "Duplicate preconditions with id [p]",
    ),
    ("tasks:\n- §{id: t, type: core.flow.Subflow, namespace: n, flowId: f}", "Recursive call to flow [n.f]"),
    (
        declared("{id: a, type: INT, dependsOn: {inputs: [§b]}}"),
        "Input with id 'a' depends on a non-existent input 'b'.",
    ),
    (
        declared("{id: a, type: INT, dependsOn: {inputs: §[b]}}\n- {id: b, type: INT, dependsOn: {inputs: [a]}}"),
        "Cycle dependency detected for input with id 'a': [b]",
    ),
    (
        f"{LOG}\nlabels: {{§system.k: v}}",
        "System labels can only be set by Kestra itself, offending label: system.k=v",
    ),
    (
        f"{LOG}\nlabels: [{{§key: system.k, value: v}}]",
        "System labels can only be set by Kestra itself, offending label: system.k=v",
    ),
    (
        "inputs: [{id: a-b, type: STRING}]\n" + task("type: core.log.Log, message: §'{{ inputs.a-b }}'"),
        "Invalid input " + DASHES.format("inputs") + "tasks: [t]",
    ),
    (
        f"tasks:\n- {{id: a-b, {BLOCK}}}\n- {{id: t, type: core.log.Log, message: §'{{{{ outputs.a-b.x }}}}'}}",
        "Invalid output " + DASHES.format("outputs") + "tasks: [t]",
    ),
    (
        f"tasks:\n- {{id: a-b, {BLOCK}}}\noutputs:\n- {{id: o, type: STRING, value: §'{{{{ outputs.a-b.x }}}}'}}",
        "Invalid output " + DASHES.format("outputs") + "outputs: [o]",
    ),
    (
        task(f"{BLOCK}, §assets: {{}}"),
        "Task 't' can't have any `assets` because assets are only available in Enterprise Edition.",
    ),
    (f"§nope: 1\n{LOG}", 'Unrecognized field "nope"'),
    # Blocks.
    (task("type: core.flow.Dag, tasks: §[]"), "must not be empty"),
    (
        f"tasks:\n- §{{id: t, type: core.flow.Dag, tasks: [{{task: {{id: a, {BLOCK}}}, dependsOn: [b]}}]}}",
        "Not existing task id in dependency: b",
    ),
    (
        f"tasks:\n- §{{id: t, type: core.flow.Dag, tasks: [{{task: {{id: a, {BLOCK}}}, dependsOn: [a]}}]}}",
        "Cyclic dependency detected: a",
    ),
    (
        "tasks:\n- §{id: t, type: core.flow.Switch, value: a}",
        "No task defined, neither cases or default have any tasks",
    ),
    ("tasks:\n- {id: t, type: core.flow.WorkingDirectory, tasks: §[]}", "The 'tasks' property cannot be empty"),
    (
        "tasks:\n- {id: t, type: core.flow.WorkingDirectory, tasks: [§{id: s, type: core.flow.Sequential, tasks: []}]}",
        "Only runnable tasks are allowed as children of a WorkingDirectory task",
    ),
    # Retry.
    (
        retry("type: constant, interval: PT2S, maxDuration: PT1S"),
        "'interval' must be less than 'maxDuration' but is PT2S",
    ),
    (
        retry("type: exponential, interval: PT2S, maxInterval: PT1S"),
        "'interval' must be less than 'maxInterval' but is PT2S",
    ),
    (
        retry("type: random, minInterval: PT2S, maxInterval: PT3S, maxDuration: PT1S"),
        "'minInterval' must be less than 'maxDuration' but is PT2S",
    ),
    (
        retry("type: random, minInterval: PT1S, maxInterval: PT3S, maxDuration: PT2S"),
        "'maxInterval' must be less than 'maxDuration' but is PT3S",
    ),
    (
        retry("type: random, minInterval: PT2S, maxInterval: PT1S"),
        "'minInterval' must be less than 'maxInterval' but is PT2S",
    ),
    # Plugin defaults.
    (f"{LOG}\npluginDefaults:\n- §{{type: core.log.Log}}", "Invalid Plugin Default: No 'values' provided"),
    (f"{LOG}\npluginDefaults:\n- §{{values: {{a: 1}}}}", "Invalid Plugin Default: No 'type' provided"),
    (
        f"{LOG}\npluginDefaults:\n- {{type: core.log.Log, values: {{§level: }}}}",
        "Invalid Plugin Default: No value provided for key 'level'",
    ),
    (
        f"{LOG}\npluginDefaults:\n- {{type: core.log.Log, values: {{§p: 1}}}}",
        "Invalid Plugin Default: No property 'p' exists in plugin 'core.log.Log'",
    ),
    # Triggers.
    (
        f"{LOG}\ntriggers:\n- §{{id: t, type: core.trigger.Schedule, cron: '* * 32 * *'}}",
        "invalid cron expression '* * 32 * *': '32' is no day of month",
    ),
    (
        trigger("type: core.trigger.Schedule, cron: '@daily', interval: §PT1S"),
        "interval: must be null",
    ),
    (
        trigger("type: core.trigger.Schedule, cron: '@daily', timezone: §Europe/Pariss"),
        "timezone '(Europe/Pariss)' is not a valid time-zone ID, did you mean 'Europe/Paris'",
    ),
    (
        trigger("type: core.trigger.Webhook, key: k, conditions: [§{type: core.condition.MultipleCondition}]"),
        "invalid webhook: conditions of type MultipleCondition are not supported",
    ),
    (
        trigger("type: core.trigger.Webhook, key: k, labels: {§system.k: v}"),
        "System labels can only be set by Kestra itself, offending label: system.k=v.",
    ),
    (
        task("type: core.flow.Subflow, namespace: n, flowId: g, labels: {§system.k: v}"),
        "System labels can only be set by Kestra itself, offending label: system.k=v.",
    ),
    (trigger("type: §core.trigger.Nope, key: k"), "Invalid type: core.trigger.Nope"),
    (trigger("type: core.trigger.Webhook, §kee: k"), "Unrecognized field \"kee\""),
    (
        trigger("type: core.http.Trigger, uri: http://a, interval: §PT0S"),
        "must be longer than zero and at most 366 days",
    ),
    (window("window: PT1H, deadline: '10:00:00'"), "Time window of type `DURATION_WINDOW` cannot have a deadline."),
    (
        window("type: SLIDING_WINDOW, windowAdvance: PT1H"),
        "Time window of type `SLIDING_WINDOW` cannot have a window advance.",
    ),
    (
        window("type: SLIDING_WINDOW, startTime: '10:00:00'"),
        "Time window of type `SLIDING_WINDOW` cannot have a start time.",
    ),
    (
        window("type: DAILY_TIME_DEADLINE, deadline: '10:00:00', endTime: '10:00:00'"),
        "Time window of type `DAILY_TIME_DEADLINE` cannot have an end time.",
    ),
    (
        window("type: DAILY_TIME_DEADLINE, deadline: '10:00:00', window: PT1H"),
        "Time window of type `DAILY_TIME_DEADLINE` cannot have a window.",
    ),
    (window("type: DAILY_TIME_DEADLINE"), "Time window of type `DAILY_TIME_DEADLINE` must have a deadline."),
    (window("type: DAILY_TIME_WINDOW"), "Time window of type `DAILY_TIME_WINDOW` must have a start time."),
    (window("type: DAILY_TIME_WINDOW"), "Time window of type `DAILY_TIME_WINDOW` must have an end time."),
    *(
        (flow_trigger(f"where: [{{id: w, filters: [§{{field: STATE, {given}}}]}}]"), text)
        for given, text in (
            ("type: EQUAL_TO", "`value` cannot be null for type EQUAL_TO"),
            ("type: EQUAL_TO, value: a, values: [a]", "`values` must be null for type EQUAL_TO"),
            ("type: IN", "`values` cannot be null for type IN"),
            ("type: NOT_IN, value: a, values: [a]", "`value` must be null for type NOT_IN"),
        )
    ),
    # Inputs.
    (
        declared("§{id: a, type: FILE, defaults: text}"),
        "inputs of type 'FILE' only support `defaults` as local files using a file URI",
    ),
    (declared("{id: a, type: ARRAY, itemType: §ARRAY}"), "`itemType` cannot be `ARRAY`"),
    (
        declared("§{id: a, type: MULTISELECT, values: [a], options: [a]}"),
        "you can't define both `values` and `options`",
    ),
    (declared("{id: a, type: STRING, validator: §'('}"), "invalid pattern [(]"),
    (declared("§{id: a, type: STRING, defaults: a, prefill: a}"), "'prefill' cannot be used together with 'defaults'"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words"), VIOLATIONS, ids=[words[:60] for _, words in VIOLATIONS])
def test_a_violation_is_reported_at_its_place(text: str, words: str) -> None:
    marked = textwrap.dedent(f"id: f\nnamespace: n\n{text}\n")
    before, _, after = marked.partition(HERE)
    place = (before.count("\n") + 1, len(before) - before.rfind("\n"))
    with pytest.raises(InvalidFlow) as caught:
        load_flow(before + after, index=installed())
    found = [item for item in caught.value.diagnostics if item.severity is Severity.ERROR]
    assert [(item.line, item.column) for item in found if words in item.message] == [place], found


def test_a_flow_trigger_that_names_nothing_is_warned_of() -> None:
    text = f"id: f\nnamespace: n\n{LOG}\ntriggers:\n- {{id: t, type: core.trigger.Flow}}\n"
    words = "This flow will be triggered for EVERY execution of EVERY flow on your instance."
    found = [item for item in load_flow(text, index=installed()).warnings if words in item.message]
    assert [(item.line, item.column) for item in found] == [(5, 3)]
