"""Zip archives that people send."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from engine.errors import Malformed
from engine.runtime.keeping import archives


async def content(archive: archives.Archive, name: str) -> bytes:
    return b"".join([chunk async for chunk in archive.read(name)])


async def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    await archives.write(tmp_path / "a.zip", [("a.txt", b"a"), ("folder/b.txt", b"b" * 3_000_000)])
    async with archives.opened(tmp_path / "a.zip") as archive:
        assert archive.names == ["a.txt", "folder/b.txt"]
        assert await content(archive, "folder/b.txt") == b"b" * 3_000_000
        assert await archive.text("a.txt") == "a"


async def test_what_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await archives.write(tmp_path / "a.zip", [("a", b"x" * 100_000), ("b", b"x" * 100_000)])
    monkeypatch.setattr(archives, "MOST_BYTES", 150_000)
    async with archives.opened(tmp_path / "a.zip") as archive:
        await content(archive, "a")
        with pytest.raises(Malformed, match="more than 150,000 bytes"):
            await content(archive, "b")
    monkeypatch.setattr(archives, "MOST_FILES", 1)
    with pytest.raises(Malformed, match="has 2 files, and at most 1"):
        async with archives.opened(tmp_path / "a.zip"):
            pass


async def test_what_is_broken_is_told(tmp_path: Path) -> None:
    (tmp_path / "none.zip").write_bytes(b"none")
    with pytest.raises(Malformed, match="no zip archive"):
        async with archives.opened(tmp_path / "none.zip"):
            pass
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        made.writestr("a.txt", b"\xff" * 100)
    whole = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "bad.zip").write_bytes(whole.replace(b"\xff" * 100, b"\xfe" * 100))
    async with archives.opened(tmp_path / "bad.zip") as archive:
        with pytest.raises(Malformed, match=r"the file 'a\.txt' of the archive can't be read"):
            await content(archive, "a.txt")
    async with archives.opened(tmp_path / "a.zip") as archive:
        with pytest.raises(Malformed, match="no text in UTF-8"):
            await archive.text("a.txt")
