"""Executions with `kestrapy`, the client library of the language: from a flow to its outputs, step by step.

    pip install kestrapy

Each test is a lesson that can be read by itself; `client` stands for

    from kestrapy import KestraClient
    client = KestraClient(host="http://localhost:8080", username="you@example.com", password="...")
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from kestrapy import (
    ApiException,
    ExecutionControllerSetLabelsByIdsRequest,
    KestraClient,
    Label,
    QueryFilter,
    QueryFilterField,
    QueryFilterOp,
)

from support.kestrapy_server import SECONDS, TENANT, kestra_client

NAMESPACE = "company.team"

REPORT = """
id: report
namespace: company.team
inputs:
  - {id: name, type: STRING}
  - {id: times, type: INT, defaults: 1}
  - {id: loud, type: BOOL, defaults: false}
  - {id: data, type: FILE, required: false}
tasks:
  - {id: greet, type: io.kestra.plugin.core.log.Log, message: "Hello {{ inputs.name }}"}
  - {id: count, type: io.kestra.plugin.core.debug.Return, format: "{{ inputs.times * 2 }}"}
  - id: file
    type: io.kestra.plugin.core.storage.Write
    content: "{{ inputs.data is defined and inputs.data ? read(inputs.data) : 'nothing' }}"
    extension: .txt
  - {id: fail, type: io.kestra.plugin.core.execution.Fail, runIf: "{{ inputs.loud }}"}
outputs:
  - {id: total, type: INT, value: "{{ outputs.count.value }}"}
"""
ASKS = """
id: asks
namespace: company.team
tasks:
  - {id: wait, type: io.kestra.plugin.core.flow.Pause, onResume: [{id: reason, type: STRING}]}
  - {id: say, type: io.kestra.plugin.core.log.Log, message: "Because {{ outputs.wait.onResume.reason }}"}
"""
LONG = """
id: long
namespace: company.team
tasks:
  - {id: sleep, type: io.kestra.plugin.core.flow.Sleep, duration: PT1H}
"""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KestraClient]:
    with kestra_client(tmp_path_factory.mktemp("kestrapy")) as made:
        for source in (REPORT, ASKS, LONG):
            made.flows.create_flow(TENANT, source)
        yield made


def until(client: KestraClient, id: str, *states: str) -> Any:
    """Ask for an execution until it is in one of these states."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        execution = client.executions.execution(id, TENANT)
        if execution.state.current in states:
            return execution
        time.sleep(0.02)
    raise AssertionError(f"{id} is not {states}, but {execution.state.current}")


def finished(client: KestraClient, **inputs: Any) -> Any:
    """An execution of `report` that has ended; `wait` lets the server answer only then."""
    return client.executions.create_execution(TENANT, NAMESPACE, "report", wait=True, inputs={"name": "you", **inputs})


def test_a_flow_is_created_and_executed(client: KestraClient) -> None:
    client.flows.create_flow(TENANT, REPORT.replace("id: report", "id: first"))
    execution = client.executions.create_execution(
        TENANT, NAMESPACE, "first", labels=["team:a", "env:test"], inputs={"name": "you", "times": 3}
    )
    assert execution.state.current == "CREATED"
    ended = until(client, execution.id, "SUCCESS")
    assert {(label.key, label.value) for label in ended.labels} >= {("team", "a"), ("env", "test")}
    assert ended.inputs["times"] == 3
    assert [run.task_id for run in ended.task_run_list] == ["greet", "count", "file", "fail"]


def test_inputs_are_checked_before_anything_runs(client: KestraClient) -> None:
    checked = client.executions.validate_new_execution_inputs(
        NAMESPACE, "report", TENANT, inputs={"name": "you", "times": "many"}
    )
    wrong = {it["input"]["id"]: it["errors"] for it in checked["inputs"] if it["errors"]}
    assert list(wrong) == ["times"]
    with pytest.raises(ApiException) as refused:
        client.executions.create_execution(TENANT, NAMESPACE, "report", inputs={"times": 1})
    assert refused.value.status == 422
    assert "Missing required input:name" in refused.value.body


def test_files_go_in_and_come_out(client: KestraClient) -> None:
    execution = finished(client, data=("data.csv", b"a,b\n1,2\n"))
    given = client.executions.download_file_from_execution(execution.id, execution.inputs["data"], TENANT)
    assert given == b"a,b\n1,2\n"
    (made,) = [run for run in execution.task_run_list if run.task_id == "file"]
    uri = client.outputs.task_run_outputs(execution.id, made.id, TENANT)["uri"]
    assert client.executions.download_file_from_execution(execution.id, uri, TENANT) == b"a,b\n1,2\n"
    assert client.executions.file_metadatas_from_execution(execution.id, uri, TENANT).size == 8
    preview = client.executions.preview_file_from_execution(execution.id, execution.inputs["data"], TENANT, max_rows=10)
    assert preview["content"] == [{"a": "1", "b": "2"}]


def test_an_execution_is_followed_to_its_end(client: KestraClient) -> None:
    started = client.executions.create_execution(TENANT, NAMESPACE, "report", inputs={"name": "you"})
    states = [
        event.state.current
        for event in client.executions.follow_execution(started.id, TENANT)
        # The first event only says that the stream has begun.
        if getattr(event, "state", None) is not None
    ]
    assert states[-1] == "SUCCESS"
    logged = [line.message for line in client.logs.follow_logs_from_execution(started.id, TENANT, min_level="INFO")]
    assert "Hello you" in logged


def test_outputs_logs_and_metrics_are_read(client: KestraClient) -> None:
    execution = finished(client, times=4)
    assert client.outputs.execution_outputs(execution.id, TENANT) == {"total": 8}
    found = {it.task_id: it.task_run_id for it in client.outputs.task_outputs_information(execution.id, TENANT)}
    assert client.outputs.task_run_outputs(execution.id, found["count"], TENANT) == {"value": "8"}
    lines = client.logs.list_logs_from_execution(execution.id, TENANT, min_level="INFO")
    assert lines[0].message == "Hello you"
    assert lines[0].execution_id == execution.id
    assert "INFO Hello you" in client.logs.download_logs_from_execution(execution.id, TENANT)
    names = {metric["name"] for metric in client.metrics.execution_metrics(execution.id, TENANT)["results"]}
    assert {"duration", "length"} <= names


def test_expressions_are_tried_on_an_execution(client: KestraClient) -> None:
    execution = finished(client, times=4)
    assert client.executions.eval_expression(execution.id, TENANT, "{{ outputs.count.value }}") == {"result": "8"}
    assert "nix" in client.executions.eval_expression(execution.id, TENANT, "{{ nix }}")["error"]


def test_an_execution_is_killed(client: KestraClient) -> None:
    execution = client.executions.create_execution(TENANT, NAMESPACE, "long")
    until(client, execution.id, "RUNNING")
    client.executions.kill_execution(execution.id, TENANT)
    assert until(client, execution.id, "KILLED").state.current == "KILLED"


def test_an_execution_that_asks_is_resumed_with_an_answer(client: KestraClient) -> None:
    execution = client.executions.create_execution(TENANT, NAMESPACE, "asks")
    until(client, execution.id, "PAUSED")
    checked = client.executions.validate_resume_execution_inputs(execution.id, TENANT, inputs={})
    assert checked["inputs"][0]["input"]["id"] == "reason"
    client.executions.resume_execution(execution.id, TENANT, inputs={"reason": "it is time"})
    until(client, execution.id, "SUCCESS")
    assert "Because it is time" in client.logs.download_logs_from_execution(execution.id, TENANT)


def test_what_failed_is_restarted_and_what_ended_is_replayed(client: KestraClient) -> None:
    failed = finished(client, loud=True)
    assert failed.state.current == "FAILED"
    again = client.executions.restart_execution(failed.id, TENANT)
    assert (again.id, again.state.current) == (failed.id, "RESTARTED")
    until(client, failed.id, "FAILED")
    (counted,) = [run for run in failed.task_run_list if run.task_id == "count"]
    part = client.executions.replay_execution(failed.id, TENANT, task_run_id=counted.id)
    assert part.id != failed.id
    other = client.executions.replay_execution_with_inputs(failed.id, TENANT, inputs={"loud": False, "times": 5})
    until(client, other.id, "SUCCESS")
    assert client.outputs.execution_outputs(other.id, TENANT) == {"total": 10}
    until(client, part.id, "FAILED")


def test_labels_and_states_of_what_ended_are_set(client: KestraClient) -> None:
    execution = finished(client)
    labelled = client.executions.set_labels_on_terminated_execution(
        execution.id, TENANT, [Label(key="seen", value="yes")]
    )
    assert ("seen", "yes") in {(label.key, label.value) for label in labelled.labels}
    warned = client.executions.update_execution_status(execution.id, "WARNING", TENANT)
    assert warned.state.current == "WARNING"


def test_executions_are_found(client: KestraClient) -> None:
    execution = finished(client)
    client.executions.set_labels_on_terminated_execution(execution.id, TENANT, [Label(key="find", value="me:now")])
    page = client.executions.search_executions(
        TENANT,
        page=1,
        size=10,
        sort=["state.startDate:desc"],
        filters=[
            QueryFilter(field=QueryFilterField.NAMESPACE, operation=QueryFilterOp.PREFIX, value="company"),
            QueryFilter(field=QueryFilterField.STATE, operation=QueryFilterOp.IN, value=["SUCCESS", "WARNING"]),
            QueryFilter(field=QueryFilterField.LABELS, operation=QueryFilterOp.EQUALS, value={"find": "me:now"}),
        ],
    )
    assert ([found["id"] for found in page["results"]], page["total"]) == ([execution.id], 1)
    either = {
        "logical": "OR",
        "children": [
            {"field": "LABELS", "operation": "EQUALS", "value": {"find": "me:now"}},
            {"field": "STATE", "operation": "EQUALS", "value": "QUEUED"},
        ],
    }
    page = client.executions.search_executions(TENANT, filters=[either])
    assert [found["id"] for found in page["results"]] == [execution.id]
    lines = client.logs.search_logs(
        TENANT, filters=[{"field": "EXECUTION_ID", "operation": "EQUALS", "value": execution.id}]
    )
    assert "Hello you" in str(lines)


def test_many_executions_are_acted_on_together(client: KestraClient) -> None:
    ids = [client.executions.create_execution(TENANT, NAMESPACE, "long").id for _ in range(3)]
    for id in ids:
        until(client, id, "RUNNING")
    client.executions.kill_executions_by_ids(TENANT, ids)
    for id in ids:
        until(client, id, "KILLED")
    client.executions.set_labels_on_terminated_executions_by_ids(
        TENANT,
        ExecutionControllerSetLabelsByIdsRequest(
            executions_id=ids, execution_labels=[Label(key="batch", value="long")]
        ),
    )
    of_batch = [{"field": "LABELS", "operation": "EQUALS", "value": {"batch": "long"}}]
    client.executions.delete_executions_by_query(TENANT, of_batch)
    with pytest.raises(ApiException) as gone:
        client.executions.execution(ids[0], TENANT)
    assert gone.value.status == 404


def test_an_execution_is_deleted_with_all_that_it_left(client: KestraClient) -> None:
    execution = finished(client)
    client.executions.delete_execution(execution.id, TENANT)
    assert client.logs.list_logs_from_execution(execution.id, TENANT) == []
