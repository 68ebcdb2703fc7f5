"""Addresses of internal storage: what they name, and that none leads elsewhere."""

from __future__ import annotations

import pytest

from engine.errors import StorageError
from engine.files.addresses import execution_folder, flow_folder, input_file, parts_of, slug, task_folder


def test_the_steps_of_an_address() -> None:
    assert parts_of("kestra:///company/team/my-flow/executions/1/out.csv") == (
        "company",
        "team",
        "my-flow",
        "executions",
        "1",
        "out.csv",
    )
    assert parts_of("kestra:///a//b/") == ("a", "b")
    assert parts_of("kestra:///a/with space/é ü/..hidden/%2e%2e") == ("a", "with space", "é ü", "..hidden", "%2e%2e")


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("/etc/passwd", "must begin with kestra:///"),
        ("file:///etc/passwd", "must begin with kestra:///"),
        ("kestra://host/a", "must begin with kestra:///"),
        ("KESTRA:///a", "must begin with kestra:///"),
        ("", "must begin with kestra:///"),
        ("kestra:///", "names no file"),
        ("kestra:////", "names no file"),
        ("kestra:///a/../b", r"may be '.', '..'"),
        ("kestra:///..", r"may be '.', '..'"),
        ("kestra:///a/./b", r"may be '.', '..'"),
        ("kestra:///a\\..\\b", "backslash"),
        ("kestra:///a\0b", "zero byte"),
        ("kestra:///a/\udcff", "no text in UTF-8"),
        ("kestra:///a/" + "x" * 256, "longer than 255 bytes"),
        ("kestra:///a/" + "é" * 128, "longer than 255 bytes"),
        ("kestra:///" + "abcdefg/" * 256, "longer than 2048 bytes"),
    ],
)
def test_what_is_no_address_is_refused(address: str, reason: str) -> None:
    with pytest.raises(StorageError, match=reason):
        parts_of(address)


def test_a_refusal_can_be_printed() -> None:
    with pytest.raises(StorageError) as refused:
        parts_of("kestra:///a\n/\udcff\0")
    str(refused.value).encode()
    assert "\n" not in str(refused.value)


def test_ids_as_they_stand_in_addresses() -> None:
    assert slug("My_Flow") == "my-flow"
    assert slug("a.b c/d") == "a.b-c-d"
    assert slug("__") == "-"
    assert "/" not in slug("../../x")


def test_the_folders_of_an_execution() -> None:
    assert flow_folder("company.team", "my_flow") == "kestra:///company/team/my-flow"
    assert execution_folder("company.team", "f", "1a") == "kestra:///company/team/f/executions/1a"
    assert task_folder("n", "f", "1a", "get_it", "2b") == "kestra:///n/f/executions/1a/tasks/get-it/2b"
    assert input_file("n", "f", "1a", "file", "data.csv") == "kestra:///n/f/executions/1a/inputs/file/data.csv"


def test_a_name_that_someone_uploads_cannot_leave_its_folder() -> None:
    with pytest.raises(StorageError):
        parts_of(input_file("n", "f", "1a", "file", "../../../other"))
