"""`tidegate flow …`: a folder as the truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.command_line import Place

HELLO = "id: hello\nnamespace: team\ntasks:\n  - {id: say, type: core.log.Log, message: hello}\n"
OTHER = "id: other\nnamespace: team\ntasks: [{id: say, type: core.log.Log, message: other}]\n"
FAR = "id: far\nnamespace: elsewhere\ntasks: [{id: say, type: core.log.Log, message: far}]\n"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "flows" / "deep").mkdir(parents=True)
    return Place(tmp_path)


@pytest.fixture
def flows(place: Place) -> str:
    place.flow(HELLO, "flows/hello.yaml")
    place.flow(OTHER, "flows/deep/other.yml")
    return str(place.folder / "flows")


def changes(shown: str) -> dict[str, str]:
    return {f"{one['namespace']}.{one['id']}": one["action"] for one in json.loads(shown)["changes"]}


def listed(place: Place) -> dict[str, int]:
    found: list[dict[str, Any]] = json.loads(place.call("flow", "list", "--json"))
    return {f"{one['namespace']}.{one['id']}": one["revision"] for one in found}


def test_apply_plans_does_and_is_idempotent(place: Place, flows: str) -> None:
    planned = place.call("flow", "apply", flows, "--dry-run", "--json")
    assert changes(planned) == {"team.hello": "create", "team.other": "create"}
    assert listed(place) == {}
    shown = place.call("flow", "apply", flows, "--yes")
    assert "+ create team.hello" in shown
    assert "2 to create, 0 to change, 0 to delete, 0 unchanged" in shown
    again = place.call("flow", "apply", flows, "--yes", "--json")
    assert changes(again) == {"team.hello": "unchanged", "team.other": "unchanged"}
    place.flow(HELLO.replace("message: hello", "message: hi"), "flows/hello.yaml")
    assert changes(place.call("flow", "apply", flows, "--yes", "--json"))["team.hello"] == "change"
    assert listed(place) == {"team.hello": 2, "team.other": 1}


def test_nothing_is_done_unless_somebody_says_so(place: Place, flows: str) -> None:
    assert "--yes" in place.call("flow", "apply", flows, code=2)
    assert listed(place) == {}


def test_prune_deletes_what_no_file_has_in_the_namespaces_of_the_files(place: Place, flows: str) -> None:
    place.flow(FAR, "flows/far.yaml")
    place.call("flow", "apply", flows, "--yes")
    (place.folder / "flows" / "far.yaml").unlink()
    (place.folder / "flows" / "deep" / "other.yml").unlink()
    place.call("flow", "apply", flows, "--yes")
    assert set(listed(place)) == {"team.hello", "team.other", "elsewhere.far"}
    place.call("flow", "apply", flows, "--yes", "--prune")
    assert set(listed(place)) == {"team.hello", "elsewhere.far"}
    place.call("flow", "apply", flows, "--yes", "--prune", "-n", "elsewhere")
    assert set(listed(place)) == {"team.hello"}


def test_all_mistakes_are_told_and_nothing_is_stored(place: Place, flows: str) -> None:
    place.flow("id: bad\nnamespace: team\ntasks: [{id: x, type: core.log.Logg}]\n", "flows/bad.yaml")
    place.flow("id: hello\nnamespace: team\ntasks: [{id: x, type: core.log.Log, message: a}]\n", "flows/twice.yaml")
    told = place.call("flow", "apply", flows, "--yes", code=2)
    assert "bad.yaml:3" in told
    assert "twice.yaml:1:1: id: the flow team.hello is in" in told
    assert listed(place) == {}


def test_diff_shows_the_sources_and_tells_by_its_exit_code(place: Place, flows: str) -> None:
    place.call("flow", "apply", flows, "--yes")
    assert place.call("flow", "diff", flows) == ""
    place.flow(HELLO.replace("message: hello", "message: hi"), "flows/hello.yaml")
    shown = place.call("flow", "diff", flows, code=1)
    assert "--- team.hello (revision 1)\n" in shown
    assert (
        "-  - {id: say, type: core.log.Log, message: hello}\n+  - {id: say, type: core.log.Log, message: hi}" in shown
    )


def test_flows_are_shown_exported_and_deleted(place: Place, flows: str) -> None:
    place.call("flow", "apply", flows, "--yes")
    assert place.call("flow", "show", "team.hello") == HELLO
    out = place.folder / "out"
    place.call("flow", "export", str(out))
    assert (out / "team" / "hello.yaml").read_text() == HELLO
    assert place.call("flow", "diff", str(out)) == ""
    (out / "team" / "hello.yaml").write_text("mine")
    assert "--force" in place.call("flow", "export", str(out), code=2)
    place.call("flow", "delete", "team.hello", "--yes")
    assert set(listed(place)) == {"team.other"}
    place.call("flow", "delete", flows, "--yes")
    assert listed(place) == {}
    assert "does not exist" in place.call("flow", "delete", "team.hello", "--yes", code=2)
    assert "NAMESPACE.ID" in place.call("flow", "show", "hello", code=2)
