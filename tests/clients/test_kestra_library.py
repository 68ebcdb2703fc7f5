"""The public library kestra, with which scripts start flows, against this server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from kestra import Flow

from support.serving import Served, served

FLOW = """
id: greet
namespace: company.team
inputs:
  - {id: name, type: STRING}
  - {id: file, type: FILE, required: false}
tasks:
  - {id: say, type: core.log.Log, message: "hello {{ inputs.name }}"}
  - {id: read, type: core.log.Log, message: "{{ read(inputs.file) }}", runIf: "{{ inputs.file is not null }}"}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("kestra") / "data", signed_in=True) as server:
        answer = requests.post(
            f"{server.url}/api/v1/main/flows",
            data=FLOW,
            headers={"Authorization": f"Bearer {server.token}", "Content-Type": "application/x-yaml"},
            timeout=30,
        )
        assert answer.status_code == 200, answer.text
        yield server


@pytest.fixture(params=[None, "main"])
def flow(server: Served, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Flow:
    monkeypatch.setenv("KESTRA_HOSTNAME", server.url)
    monkeypatch.setenv("KESTRA_API_TOKEN", server.token or "")
    return Flow(tenant=request.param, labels_from_inputs=True)


def test_a_flow_runs_to_its_end_and_its_log_is_read(flow: Flow) -> None:
    ran = flow.execute("company.team", "greet", {"name": "world"})
    assert (ran.status, ran.error) == ("SUCCESS", None)
    assert "hello world" in str(ran.log)


def test_a_file_is_given(flow: Flow, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("from a file")
    with (tmp_path / "note.txt").open("rb") as file:
        ran = flow.execute("company.team", "greet", {"name": "x", "files": ("file", file, "text/plain")})
    assert "from a file" in str(ran.log)


def test_a_flow_is_started_and_left_alone(flow: Flow, server: Served) -> None:
    flow.wait_for_completion = False
    ran = flow.execute("company.team", "greet", {"name": "world"})
    assert ran.status == "STARTED"
    shown = requests.get(
        f"{server.url}/api/v1/main/executions/{ran.execution_id}",
        headers={"Authorization": f"Bearer {server.token}"},
        timeout=30,
    ).json()
    assert {"key": "name", "value": "world"} in shown["labels"]
