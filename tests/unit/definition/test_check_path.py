"""Checking files and folders."""

from __future__ import annotations

from pathlib import Path

from engine.definition.check_path import check_path
from support.definition_plugins import INDEX

GOOD = "id: f\nnamespace: n\ntasks: [{id: a, type: core.log.Log, message: m}]\n"


def test_a_folder_gives_a_report_for_each_flow_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "sub" / "b.yml").write_text(GOOD + "triggers: [{id: t, type: x.Y}]\nlabel: {}\n")
    (tmp_path / ".hidden" / "c.yaml").write_text("[")
    (tmp_path / "notes.txt").write_text("[")
    good, bad = check_path(tmp_path, INDEX)
    assert (good.file, good.flow, good.errors) == (str(tmp_path / "a.yaml"), "n.f", ())
    assert [str(item) for item in bad.errors] == [
        f"{tmp_path / 'sub' / 'b.yml'}:5:1: Unrecognized field \"label\", did you mean 'labels'?"
    ]
    assert len(bad.warnings) == 1
    assert bad.flow == ""


def test_a_file_that_is_no_text_or_missing_is_a_diagnostic(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"id: \xff\n")
    (report,) = check_path(tmp_path / "a.yaml", INDEX)
    assert "is not UTF-8 text, see byte 4" in str(report.errors[0])
    (report,) = check_path(tmp_path / "none.yaml", INDEX)
    assert "the file can't be read" in str(report.errors[0])


def test_a_valid_file_keeps_its_warnings(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD + "triggers: [{id: t, type: x.Y}]\n")
    (report,) = check_path(tmp_path / "a.yaml", INDEX)
    assert report.errors == ()
    assert len(report.warnings) == 1
