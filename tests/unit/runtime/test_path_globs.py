"""Globs on paths of namespace files."""

from __future__ import annotations

import pytest

from engine.errors import TaskError
from engine.runtime.keeping.globs import path_test

PATHS = ("/top.sql", "/sql/top.sql", "/sql/deep/low.sql", "/notes.txt")


@pytest.mark.parametrize(
    ("pattern", "fitting"),
    [
        ("top.sql", ["/top.sql", "/sql/top.sql"]),
        ("*.sql", ["/top.sql"]),
        ("**.sql", ["/top.sql", "/sql/top.sql", "/sql/deep/low.sql"]),
        ("/sql/*", ["/sql/top.sql"]),
        ("sql/**", ["/sql/top.sql", "/sql/deep/low.sql"]),
        ("glob:sql/*.sql", ["/sql/top.sql"]),
        ("glob:/*.{sql,txt}", ["/top.sql", "/notes.txt"]),
        ("regex:/sql/.*low.*", ["/sql/deep/low.sql"]),
        ("", []),
    ],
)
def test_a_pattern_fits_the_paths_it_should(pattern: str, fitting: list[str]) -> None:
    assert [path for path in PATHS if path_test(pattern)(path)] == fitting


@pytest.mark.parametrize("pattern", ["regex:(", "{a,b"])
def test_a_broken_pattern_is_named(pattern: str) -> None:
    with pytest.raises(TaskError, match="Invalid file pattern"):
        path_test(pattern)
