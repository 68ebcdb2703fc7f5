"""Attributes of the file that is there and of the one that is about to take its place."""

from __future__ import annotations

from engine.files.attributes import known, with_version


def test_none_are_known_of_a_file_without() -> None:
    assert known(b"", 5) == {}


def test_both_versions_are_known_until_the_next() -> None:
    first = with_version(b"", None, 1, {"of": "first"})
    second = with_version(first, 1, 2, {"of": "second"})
    assert known(second, 1) == {"of": "first"}
    assert known(second, 2) == {"of": "second"}
    third = with_version(second, 2, 3, {})
    assert known(third, 2) == {"of": "second"}
    assert known(third, 3) == {}


def test_one_that_never_got_its_name_is_forgotten() -> None:
    first = with_version(b"", None, 1, {"of": "first"})
    never = with_version(first, 1, 2, {"of": "never"})
    third = with_version(never, 1, 3, {"of": "third"})
    assert (known(third, 1), known(third, 3)) == ({"of": "first"}, {"of": "third"})
    assert b"never" not in third


def test_a_copy_with_other_times_has_the_latest() -> None:
    both = with_version(with_version(b"", None, 1, {"of": "first"}), 1, 2, {"of": "second"})
    assert known(both, 99) == {"of": "second"}
