"""Mistakes of a person at the command line: one clear error, the right exit code, never a traceback."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from engine.cli import app
from support.command_line import Place

FLOW = """
id: shop
namespace: test
inputs: [{id: who, type: STRING, defaults: tide}, {id: count, type: INT, defaults: 1}]
tasks:
  - {id: note, type: core.debug.Return, format: "{{ inputs.who }}"}
  - {id: wrong, type: core.log.Log, message: "{{ outputs.nte.value }}"}
"""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "flow.yaml:1:1: a flow is a map with at least id, namespace and tasks, but there is nothing in it"),
        (b"\x7fELF\xd0\xff", "flow.yaml:1:1: the file is not UTF-8 text, see byte 4"),
        (b"id: a\nnamespace: t\ntasks:\n\t- id: x\n", "flow.yaml:4:1: this is not YAML: a tab stands where"),
        (b"id: a\nnamespace: No Way\ntasks: [{id: a, type: core.log.Log, message: x}]\n", "flow.yaml:2:12: namespace:"),
        (None, "is a directory"),
        ("missing", "does not exist"),
    ],
    ids=["empty", "binary", "tab", "namespace", "directory", "missing"],
)
def test_a_file_that_is_no_flow_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], content: object, words: str
) -> None:
    monkeypatch.setenv("TIDEGATE_DATA", str(tmp_path / "data"))
    file = tmp_path / "flow.yaml"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is None:
        file.mkdir()
    assert app.run_app(["run", str(file)]) == 2
    assert words in capfd.readouterr().err


def test_a_failed_run_says_why_then_and_later(place: Place) -> None:
    why = (
        "message: Unable to find `nte` used in the expression `{{ outputs.nte.value }}` at line 1, did you mean 'note'?"
    )
    ran = place.call("run", place.flow(FLOW), code=1)
    assert why in ran
    id = ran.splitlines()[0].split()[1]
    assert why in place.call("execution", "show", id[:6])
    other = "B" if id[0] == "A" else "A"
    assert f"did you mean '{id}'?" in place.call("execution", "show", other + id[1:], code=2)
    assert "did you mean 'value'?" in place.call("eval", "last", "{{ outputs.note.vale }}", code=2)


def test_a_misspelt_input_or_command_is_refused_with_the_near_name(place: Place) -> None:
    flow = place.flow(FLOW)
    assert "The flow has no input 'whoo', did you mean 'who'?" in place.call("run", flow, "-i", "whoo=x", code=2)
    assert "No such command" in place.call("rnu", flow, code=2)


def test_a_fault_of_the_engine_is_one_sentence_and_a_file_of_details(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the tide\nis out")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("engine.cli.faults._reported", [])
    monkeypatch.setattr(app, "build", broken)
    assert app.run_app(["run"]) == 1
    said = capfd.readouterr().err
    assert said.startswith("Error: Tidegate itself made a mistake (RuntimeError: the tide is out); the details are in ")
    assert said.count("\n") == 1
    details = Path(said.rsplit(" ", 1)[1].strip())
    assert details.parent == tmp_path
    assert "Traceback" in details.read_text()


@pytest.mark.parametrize("name", ["/proc/none", sys.executable])
def test_a_data_folder_that_can_not_be_is_refused(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setenv("TIDEGATE_DATA", name)
    assert app.run_app(["execution", "list"]) == 2
    assert f"The data folder {name} can't be made" in capfd.readouterr().err
