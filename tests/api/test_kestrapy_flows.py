"""Flows with `kestrapy`, the client library of the language: create, find, check, move, and what belongs to them.

    pip install kestrapy

Each test is a lesson that can be read by itself; `client` stands for

    from kestrapy import KestraClient
    client = KestraClient(host="http://localhost:8080", username="you@example.com", password="...")
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator

import pytest
from kestrapy import ApiException, IdWithNamespace, KestraClient, QueryFilter, QueryFilterField, QueryFilterOp

from support.kestrapy_server import TENANT, kestra_client

HELLO = """
id: hello
namespace: company.team
labels: {team: sales}
inputs:
  - {id: who, type: STRING, defaults: world}
tasks:
  - {id: say, type: io.kestra.plugin.core.log.Log, message: "Hello {{ inputs.who }}"}
"""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KestraClient]:
    with kestra_client(tmp_path_factory.mktemp("kestrapy")) as made:
        yield made


def flow(id: str, namespace: str, more: str = "") -> str:
    """A flow in a namespace of a lesson's own."""
    return HELLO.replace("id: hello", f"id: {id}").replace("company.team", namespace) + more


def of(namespace: str) -> list[QueryFilter]:
    """What selects the flows, or keys, of exactly one namespace."""
    return [QueryFilter(field=QueryFilterField.NAMESPACE, operation=QueryFilterOp.EQUALS, value=namespace)]


def test_a_flow_is_created_read_changed_and_deleted(client: KestraClient) -> None:
    created = client.flows.create_flow(TENANT, HELLO)
    assert (created.id, created.namespace, created.revision) == ("hello", "company.team", 1)

    changed = client.flows.update_flow("company.team", "hello", TENANT, HELLO.replace("Hello", "Good day,"))
    assert changed.revision == 2
    assert client.flows.update_flow("company.team", "hello", TENANT, changed.source).revision == 2

    first = client.flows.flow("company.team", "hello", TENANT, source=True, revision=1)
    assert first.source == HELLO
    assert (
        client.flows.task_from_flow("company.team", "hello", "say", TENANT).to_dict()["message"].startswith("Good day")
    )
    assert [it.revision for it in client.flows.list_flow_revisions("company.team", "hello", TENANT)] == [1, 2]
    client.flows.delete_revisions("company.team", "hello", TENANT, [1])

    client.flows.delete_flow("company.team", "hello", TENANT)
    with pytest.raises(ApiException) as refused:
        client.flows.flow("company.team", "hello", TENANT)
    assert refused.value.status == 404
    assert client.flows.flow("company.team", "hello", TENANT, allow_deleted=True).deleted is True


def test_a_flow_may_be_made_of_an_object(client: KestraClient) -> None:
    task = {"id": "say", "type": "io.kestra.plugin.core.log.Log", "message": "hi"}
    made = client.flows.create_flow_from_object(TENANT, {"id": "object", "namespace": "made.of", "tasks": [task]})
    assert (made.id, made.revision) == ("object", 1)


def test_mistakes_are_told_before_and_when_a_flow_is_saved(client: KestraClient) -> None:
    wrong = flow("wrong", "company.checked").replace("message:", "mesage:")
    right, bad = client.flows.validate_flows(TENANT, f"{flow('right', 'company.checked')}---\n{wrong}")
    assert right.constraints is None
    assert "did you mean 'message'" in bad.constraints
    with pytest.raises(ApiException) as refused:
        client.flows.create_flow(TENANT, wrong)
    assert refused.value.status == 422
    assert "line 8" in refused.value.body


def test_flows_are_found_by_what_they_are(client: KestraClient) -> None:
    for id in ("orders", "stock", "staff"):
        client.flows.create_flow(TENANT, flow(id, "company.found"))
    found = client.flows.search_flows(TENANT, page=1, size=2, sort=["id:desc"], filters=of("company.found"))
    assert [it.id for it in found.results] == ["stock", "staff"]
    assert found.total == 3

    labelled = QueryFilter(field=QueryFilterField.LABELS, operation=QueryFilterOp.EQUALS, value={"team": "sales"})
    named = QueryFilter(field=QueryFilterField.FLOW_ID, operation=QueryFilterOp.STARTS_WITH, value="sta")
    assert client.flows.search_flows(TENANT, 1, 10, filters=[labelled, named, *of("company.found")]).total == 1

    assert client.flows.search_flows_by_source_code(TENANT, q="Hello {{", namespace="company.found").total == 3
    assert "company.found" in client.flows.list_distinct_namespaces(TENANT)
    assert client.namespaces.search_namespaces(TENANT, filters=[]).total >= 1


def test_a_namespace_is_made_what_a_text_says(client: KestraClient) -> None:
    first = "---\n".join(flow(id, "company.whole") for id in ("a", "b"))
    client.flows.update_flows_in_namespace("company.whole", TENANT, first)
    client.flows.update_flows_in_namespace("company.whole", TENANT, flow("c", "company.whole"), delete=True)
    assert [it.id for it in client.flows.list_flows_by_namespace("company.whole", TENANT)] == ["c"]


def test_flows_are_switched_off_and_on(client: KestraClient) -> None:
    client.flows.create_flow(TENANT, flow("switched", "company.switched"))
    ids = [IdWithNamespace(id="switched", namespace="company.switched")]
    assert client.flows.disable_flows_by_ids(TENANT, ids).count == 1
    assert client.flows.disable_flows_by_ids(TENANT, ids).count == 0
    with pytest.raises(ApiException) as refused:
        client.executions.create_execution(TENANT, "company.switched", "switched")
    assert refused.value.status == 409
    assert client.flows.enable_flows_by_query(TENANT, filters=of("company.switched")).count == 1


def test_flows_move_as_an_archive(client: KestraClient) -> None:
    for id in ("a", "b"):
        client.flows.create_flow(TENANT, flow(id, "company.moved"))
    archive = client.flows.export_flows_by_query(TENANT, filters=of("company.moved"))
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert opened.namelist() == ["company.moved.a.yml", "company.moved.b.yml"]

    assert client.flows.delete_flows_by_query(TENANT, filters=of("company.moved")).count == 2
    assert client.flows.import_flows(TENANT, file_content=archive) == []
    assert client.flows.flow("company.moved", "a", TENANT).revision == 3


def test_what_a_flow_looks_like_and_what_it_starts(client: KestraClient) -> None:
    calls = "\n  - {id: call, type: io.kestra.plugin.core.flow.Subflow, namespace: company.graph, flowId: called}\n"
    client.flows.create_flow(TENANT, flow("called", "company.graph"))
    client.flows.create_flow(TENANT, flow("calling", "company.graph").rstrip() + calls)
    graph = client.flows.generate_flow_graph("company.graph", "calling", TENANT)
    assert [node.uid for node in graph.nodes] == ["root._start", "root._end", "root.say", "root.call"]
    wide = client.flows.generate_flow_graph("company.graph", "calling", TENANT, subflows=["root.call"])
    assert "root.call.say" in [node.uid for node in wide.nodes]
    (edge,) = client.flows.flow_dependencies("company.graph", "calling", TENANT).edges
    assert (edge.source, edge.target) == ("company.graph/calling", "company.graph/called")


def test_keys_hold_typed_values_for_a_time(client: KestraClient) -> None:
    for key, text in (("name", '"text"'), ("limit", "42"), ("on", "true"), ("list", "[1, 2]"), ("day", "2026-01-31")):
        client.kv.set_key_value("company.keys", key, TENANT, text)
    limit = client.kv.key_value("company.keys", "limit", TENANT)
    assert (limit.type, limit.value) == ("NUMBER", 42)
    assert client.kv.key_value("company.keys", "day", TENANT).type == "DATE"

    page = client.kv.list_all_keys(TENANT, 1, 100, filters=of("company.keys"))
    assert [it.key for it in page.results] == ["day", "limit", "list", "name", "on"]
    assert client.kv.delete_key_value("company.keys", "on", TENANT) is True
    assert client.kv.delete_key_value("company.keys", "on", TENANT) is False
    with pytest.raises(ApiException) as missing:
        client.kv.key_value("company.keys", "on", TENANT)
    assert missing.value.status == 404


def test_a_namespace_has_files(client: KestraClient) -> None:
    files, namespace = client.files, "company.files"
    files.create_namespace_file(namespace, "/scripts/a.py", TENANT, "print(1)")
    files.create_namespace_file(namespace, "/scripts/a.py", TENANT, "print(2)")
    assert files.file_content(namespace, "/scripts/a.py", TENANT) in ("print(2)", b"print(2)")
    assert [it.file_name for it in files.list_namespace_directory_files(namespace, TENANT, "/")] == ["scripts"]
    assert files.search_namespace_files(namespace, "a.p", TENANT) == ["/scripts/a.py"]

    files.move_file_directory(namespace, "/scripts", "/programs", TENANT)
    assert files.file_metadatas(namespace, TENANT, "/programs/a.py").size == len("print(2)")
    assert [it.revision for it in files.file_revisions(namespace, TENANT, "/programs/a.py")] == [1, 2]
    with zipfile.ZipFile(io.BytesIO(files.export_namespace_files(namespace, TENANT))) as archive:
        assert archive.namelist() == ["programs/a.py"]
    files.delete_file_directory(namespace, "/programs", TENANT)
    assert files.list_namespace_directory_files(namespace, TENANT) == []


def test_what_is_installed(client: KestraClient) -> None:
    schema = client.plugins.plugin_schema("flow")
    assert schema["$ref"] == "#/definitions/flow"
    documentation = client.plugins.plugin_documentation("io.kestra.plugin.core.log.Log")
    assert "message" in documentation["schema"]["properties"]["properties"]
    assert {"type": "STRING", "cls": "io.kestra.core.models.flows.input.StringInput"} in (
        client.plugins.plugin_input_types()
    )
    assert "upper" in client.misc.pebble_filters()
    assert client.flows.expressions(TENANT, HELLO)["categories"]["inputs"] == ["inputs.who"]
