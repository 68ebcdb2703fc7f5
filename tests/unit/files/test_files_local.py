"""Files of this machine that flows may read."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import NotFound, StorageError
from engine.files.local import LocalFiles


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "a b.txt").write_text("content")
    (tmp_path / "closed.txt").write_text("no")
    (tmp_path / "open" / "link.txt").symlink_to(tmp_path / "closed.txt")
    return tmp_path


async def test_reads_below_what_is_allowed(folder: Path) -> None:
    local = LocalFiles([str(folder / "open")])
    uri = f"file://{folder}/open/a%20b.txt"
    assert local.takes(uri)
    assert not local.takes("kestra:///a/b")
    assert await local.size(uri) == 7
    assert b"".join([chunk async for chunk in local.read(uri, 2, 5)]) == b"nte"
    with pytest.raises(NotFound):
        await local.place(f"file://{folder}/open/none.txt")
    with pytest.raises(NotFound):
        await local.place(f"file://{folder}/open")


@pytest.mark.parametrize("path", ["closed.txt", "open/../closed.txt", "open/%2e%2e/closed.txt", "open/link.txt"])
async def test_nothing_leads_outside(folder: Path, path: str) -> None:
    with pytest.raises(StorageError, match="not authorized"):
        await LocalFiles([str(folder / "open")]).place(f"file://{folder}/{path}")


def test_nothing_is_allowed_by_itself(folder: Path) -> None:
    assert not LocalFiles(()).takes(f"file://{folder}/closed.txt")
