"""Lines by which scripts hand things over, and how sources are made ready."""

from __future__ import annotations

from plugins.script.python import with_json_names


def test_json_words_are_python_values() -> None:
    space: dict[str, object] = {}
    exec(with_json_names('data = [{"a": true, "b": null}, false]'), space)  # the words stand for what JSON means
    assert space["data"] == [{"a": True, "b": None}, False]


def test_imports_from_the_future_stay_first() -> None:
    source = '"""A script."""\nfrom __future__ import (\n    annotations,\n)\nx = true\n'
    space: dict[str, object] = {}
    exec(with_json_names(source), space)
    assert space["x"] is True


def test_a_script_without_such_words_is_left_alone() -> None:
    source = "print('truest')"
    assert with_json_names(source) is source
