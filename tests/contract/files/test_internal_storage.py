"""What every adapter of internal storage must do. An adapter is a parameter of the fixture `storage`."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from engine.errors import NotFound, StorageError
from engine.files.disk import DiskStorage
from engine.files.protocol import InternalStorage

BASE = "kestra:///company/team/flow"
MEBI = 1024 * 1024


@pytest.fixture(params=["disk"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> InternalStorage:
    assert request.param == "disk"
    return DiskStorage(tmp_path / "files")


async def content(storage: InternalStorage, address: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([chunk async for chunk in storage.read(address, start, end)])


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        await anyio.lowlevel.checkpoint()
        yield part


async def test_bytes_come_back_with_size_time_and_attributes(storage: InternalStorage) -> None:
    stored = await storage.put(f"{BASE}/a.bin", b"\0one\xff", {"type": "text", "größe": "€"})
    assert stored.address == f"{BASE}/a.bin"
    assert stored.size == 5
    assert stored.modified > 1_600_000_000_000
    assert stored.attributes == {"type": "text", "größe": "€"}
    assert await storage.stat(f"{BASE}/a.bin") == stored
    assert await content(storage, f"{BASE}/a.bin") == b"\0one\xff"


async def test_streams_and_local_files_come_back(storage: InternalStorage, tmp_path: Path) -> None:
    local = tmp_path / "local.txt"
    local.write_bytes(b"local")
    assert (await storage.put_path(f"{BASE}/path", local, {"a": "b"})).attributes == {"a": "b"}
    assert (await storage.put(f"{BASE}/stream", chunks(b"one", b"", b"two"))).size == 6
    await storage.put(f"{BASE}/empty", b"")
    assert await content(storage, f"{BASE}/path") == b"local"
    assert await content(storage, f"{BASE}/stream") == b"onetwo"
    assert await content(storage, f"{BASE}/empty") == b""
    await storage.fetch(f"{BASE}/stream", tmp_path / "new" / "folder" / "file")
    assert (tmp_path / "new" / "folder" / "file").read_bytes() == b"onetwo"


async def test_a_local_file_that_is_not_there_is_refused(storage: InternalStorage, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"can't be stored: No such file or directory"):
        await storage.put_path(f"{BASE}/a", tmp_path / "absent.txt")
    assert await storage.list(BASE) == []


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(0, None, b"0123456789"), (3, None, b"3456789"), (3, 5, b"34"), (0, 0, b""), (8, 99, b"89"), (10, None, b""),
     (99, None, b""), (5, 3, b"")],
)  # fmt: skip
async def test_ranges(storage: InternalStorage, start: int, end: int | None, expected: bytes) -> None:
    await storage.put(f"{BASE}/digits", b"0123456789")
    assert await content(storage, f"{BASE}/digits", start, end) == expected


async def test_big_streams_come_in_bounded_chunks(storage: InternalStorage) -> None:
    parts = [bytes([number]) * 700_001 for number in range(40)]
    stored = await storage.put(f"{BASE}/big", chunks(*parts))
    whole = b"".join(parts)
    assert stored.size == len(whole)
    sizes = [len(chunk) async for chunk in storage.read(f"{BASE}/big")]
    assert max(sizes) <= MEBI
    assert await content(storage, f"{BASE}/big") == whole
    assert await content(storage, f"{BASE}/big", MEBI - 5, 3 * MEBI + 7) == whole[MEBI - 5 : 3 * MEBI + 7]


async def test_a_new_file_replaces_the_old_with_its_attributes(storage: InternalStorage) -> None:
    await storage.put(f"{BASE}/a", b"long old content", {"old": "yes"})
    stored = await storage.put(f"{BASE}/a", b"new")
    assert stored.attributes == {}
    assert await content(storage, f"{BASE}/a") == b"new"
    assert (await storage.put(f"{BASE}/a", b"", {"third": "time"})).attributes == {"third": "time"}


async def test_a_reader_keeps_what_it_began_with(storage: InternalStorage) -> None:
    await storage.put(f"{BASE}/a", b"old" * MEBI)
    reader = storage.read(f"{BASE}/a")
    received = await anext(reader)
    await storage.put(f"{BASE}/a", b"new")
    async for chunk in reader:
        received += chunk
    assert received == b"old" * MEBI


async def test_a_stream_that_breaks_leaves_what_was_there(storage: InternalStorage) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"half"
        raise ValueError("the source broke")

    await storage.put(f"{BASE}/a", b"old", {"kept": "yes"})
    for name in ("a", "new"):
        with pytest.raises(ValueError, match="the source broke"):
            await storage.put(f"{BASE}/{name}", broken(), {"other": "x"})
    assert [file.address for file in await storage.list(BASE)] == [f"{BASE}/a"]
    assert await content(storage, f"{BASE}/a") == b"old"
    assert (await storage.stat(f"{BASE}/a")).attributes == {"kept": "yes"}


async def test_nothing_is_visible_before_the_end_nor_after_a_cancelled_write(storage: InternalStorage) -> None:
    waits = anyio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield b"half"
        waits.set()
        await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(storage.put, f"{BASE}/a", endless())
        await waits.wait()
        assert await storage.list(BASE) == []
        with pytest.raises(NotFound):
            await storage.stat(f"{BASE}/a")
        tasks.cancel_scope.cancel()
    assert await storage.list(BASE) == []


async def test_writers_of_one_address_never_mix(storage: InternalStorage) -> None:
    async def write(number: int) -> None:
        await storage.put(f"{BASE}/a", chunks(*[bytes([number])] * 50), {"number": str(number)})

    async with anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(write, number)
    found = await content(storage, f"{BASE}/a")
    assert found in [bytes([number]) * 50 for number in range(8)]


async def test_lists_are_below_a_prefix_and_sorted(storage: InternalStorage) -> None:
    for name in ("b/2", "a", "b/1", "b/deep/er/3", "bc"):
        await storage.put(f"{BASE}/{name}", name.encode(), {"n": name})
    found = await storage.list(f"{BASE}/b")
    assert [file.address for file in found] == [f"{BASE}/b/{name}" for name in ("1", "2", "deep/er/3")]
    assert [file.attributes["n"] for file in found] == ["b/1", "b/2", "b/deep/er/3"]
    assert [file.address for file in await storage.list(f"{BASE}/a")] == [f"{BASE}/a"]
    assert await storage.list(f"{BASE}/absent") == []


async def test_deleting_takes_a_file_or_all_below(storage: InternalStorage) -> None:
    for name in ("a", "b/1", "b/deep/2", "bc"):
        await storage.put(f"{BASE}/{name}", b"x", {"n": name})
    assert await storage.delete(f"{BASE}/a") == 1
    assert await storage.delete(f"{BASE}/a") == 0
    assert await storage.delete(f"{BASE}/b") == 2
    assert [file.address for file in await storage.list(BASE)] == [f"{BASE}/bc"]
    # Nothing of what was deleted comes back with a new file.
    assert (await storage.put(f"{BASE}/b/1", b"y")).attributes == {}


async def test_what_is_absent_is_said(storage: InternalStorage, tmp_path: Path) -> None:
    await storage.put(f"{BASE}/folder/a", b"x")
    for address in (f"{BASE}/absent", f"{BASE}/folder", f"{BASE}/folder/a/b"):
        with pytest.raises(NotFound, match="file '"):
            await storage.stat(address)
        with pytest.raises(NotFound):
            await content(storage, address)
        with pytest.raises(NotFound):
            await storage.fetch(address, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


async def test_a_file_and_a_folder_do_not_share_a_name(storage: InternalStorage) -> None:
    await storage.put(f"{BASE}/a/b", b"x")
    with pytest.raises(StorageError, match="there is a folder of that name"):
        await storage.put(f"{BASE}/a", b"y")
    with pytest.raises(StorageError, match="a part of it is a file"):
        await storage.put(f"{BASE}/a/b/c", b"y")
    assert await content(storage, f"{BASE}/a/b") == b"x"


ESCAPES = [
    "/etc/passwd", "file:///etc/passwd", "kestra://host/a", "kestra:/a", "kestra://", "kestra:///", "", "a",
    "kestra:///../a", "kestra:///a/../../b", "kestra:///a/..", "kestra:///a/./b", "kestra:///a\\..\\b",
    "kestra:///a/\0", "kestra:///a/" + "x" * 300, "kestra:///.attributes/a", "kestra:///.unfinished/a",
]  # fmt: skip


@pytest.mark.parametrize("address", ESCAPES)
async def test_every_other_address_is_refused(storage: InternalStorage, tmp_path: Path, address: str) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x")
    await storage.put(f"{BASE}/kept", b"kept", {"a": "b"})
    for refused in (
        storage.put(address, b"x"),
        storage.put(address, chunks(b"x")),
        storage.put_path(address, source),
        content(storage, address),
        storage.fetch(address, tmp_path / "copy"),
        storage.stat(address),
        storage.list(address),
        storage.delete(address),
    ):
        with pytest.raises(StorageError):
            await refused
    assert await content(storage, f"{BASE}/kept") == b"kept"
    assert (await storage.stat(f"{BASE}/kept")).attributes == {"a": "b"}


async def test_names_that_only_look_dangerous_are_names(storage: InternalStorage) -> None:
    names = ["..a", "a..", "...", "%2e%2e", "~", "sp ace", "ünï", "-rf", "a:b", "x" * 255, "*", "a?b#c"]
    for name in names:
        await storage.put(f"{BASE}/{name}", name.encode())
    for name in names:
        assert await content(storage, f"{BASE}/{name}") == name.encode()
    assert len(await storage.list(BASE)) == len(names)


async def test_no_link_leads_outside(tmp_path: Path) -> None:
    """A folder alone can hold links: something other than the storage may have made them."""
    storage = DiskStorage(tmp_path / "files")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    await storage.put("kestra:///a/b", b"x")
    os.symlink(outside, tmp_path / "files" / "a" / "link")
    os.symlink(outside / "secret", tmp_path / "files" / "a" / "file")
    for address in ("kestra:///a/link/secret", "kestra:///a/file"):
        with pytest.raises(StorageError, match=r"is refused: .* link"):
            await content(storage, address)
        with pytest.raises(StorageError, match=r"is refused: .* link"):
            await storage.stat(address)
        with pytest.raises(StorageError, match=r"is refused: .* link"):
            await storage.fetch(address, tmp_path / "copy")
    with pytest.raises(StorageError, match=r"is refused: .* link"):
        await storage.put("kestra:///a/link/new", b"y")
    with pytest.raises(StorageError, match=r"is refused: .* link"):
        await storage.delete("kestra:///a/link/secret")
    assert [file.address for file in await storage.list("kestra:///a")] == ["kestra:///a/b"]
    await storage.delete("kestra:///a")
    assert (outside / "secret").read_text() == "secret"
    assert sorted(path.name for path in outside.iterdir()) == ["secret"]


async def test_a_link_in_a_files_place_is_not_followed(tmp_path: Path) -> None:
    storage = DiskStorage(tmp_path / "files")
    (tmp_path / "target").write_text("untouched")
    (tmp_path / "files" / "a").mkdir(parents=True)
    os.symlink(tmp_path / "target", tmp_path / "files" / "a" / "b")
    with pytest.raises(StorageError, match=r"is refused: .* link"):
        await storage.put("kestra:///a/b", b"new")
    assert (tmp_path / "target").read_text() == "untouched"
