"""What the folder on disk promises besides: no link is followed, nothing unfinished stays, refusals are said."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import anyio
import pytest

from engine.errors import NotFound, StorageError
from engine.files.disk import UNFINISHED, DiskStorage

HERE = "kestra:///company/flow/out"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "files"


@pytest.fixture
def disk(root: Path) -> DiskStorage:
    return DiskStorage(root)


async def content(disk: DiskStorage, address: str) -> bytes:
    return b"".join([chunk async for chunk in disk.read(address)])


async def test_a_link_is_refused_wherever_it_leads(disk: DiskStorage, root: Path, tmp_path: Path) -> None:
    await disk.put(f"{HERE}/real/file", b"mine")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"secret")
    folder = root / "company" / "flow" / "out"
    (folder / "away").symlink_to(outside)
    (folder / "near").symlink_to(folder / "real")
    (folder / "file").symlink_to(outside / "file")
    (folder / "nowhere").symlink_to(outside / "absent")
    for name in ("away/file", "near/file", "file", "nowhere"):
        address = f"{HERE}/{name}"
        with pytest.raises(StorageError, match="a step of it is a link"):
            await disk.put(address, b"x")
        with pytest.raises((StorageError, NotFound)):
            await disk.stat(address)
        with pytest.raises(StorageError, match="a step of it is a link"):
            await content(disk, address)
        with pytest.raises(StorageError, match="a step of it is a link"):
            await disk.fetch(address, tmp_path / "copy")
        with pytest.raises(StorageError, match="a step of it is a link"):
            await disk.list(address)
        with pytest.raises(StorageError, match="a step of it is a link"):
            await disk.delete(address)
    assert [info.address for info in await disk.list(HERE)] == [f"{HERE}/real/file"]
    assert await disk.delete(HERE) == 1
    assert (outside / "file").read_bytes() == b"secret"


async def test_a_folder_that_is_a_link_itself_may_hold_the_storage(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    disk = DiskStorage(tmp_path / "link" / "files")
    await disk.put(HERE, b"x")
    assert await content(disk, HERE) == b"x"


async def test_a_local_file_that_is_none_is_refused(disk: DiskStorage, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for odd in (tmp_path, tmp_path / "pipe"):
        with anyio.fail_after(5):
            with pytest.raises(StorageError, match="no regular file"):
                await disk.put_path(HERE, odd)
    assert await disk.list(HERE) == []


async def test_many_write_one_file_and_its_attributes_are_of_the_one_that_won(disk: DiskStorage) -> None:
    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(disk.put, HERE, bytes([number]) * 1000, {"number": str(number)})
    found = await content(disk, HERE)
    assert (await disk.stat(HERE)).attributes == {"number": str(found[0])}


async def test_nothing_unfinished_stays(disk: DiskStorage, root: Path) -> None:
    await disk.put(HERE, b"x", {"k": "v"})
    with pytest.raises(StorageError):
        await disk.put(f"{HERE}/below", b"x", {"k": "v"})
    assert list((root / UNFINISHED).iterdir()) == []


async def test_what_a_dead_process_left_long_ago_is_removed(root: Path) -> None:
    (root / UNFINISHED).mkdir(parents=True)
    old, new = root / UNFINISHED / "old", root / UNFINISHED / "new"
    for file in (old, new):
        file.write_bytes(b"half")
    os.utime(old, (0, 0))
    await DiskStorage(root).put(HERE, b"x")
    assert not old.exists()
    assert new.exists()


async def test_a_copy_of_the_storage_that_lost_its_times_keeps_attributes(root: Path, tmp_path: Path) -> None:
    disk = DiskStorage(root)
    await disk.put(HERE, b"one", {"of": "one"})
    await disk.put(HERE, b"two", {"of": "two"})
    shutil.copytree(root, tmp_path / "copy", copy_function=shutil.copyfile)
    assert (await DiskStorage(tmp_path / "copy").stat(HERE)).attributes == {"of": "two"}


async def test_what_the_disk_refuses_is_said(disk: DiskStorage, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"can't be stored: "):
        await DiskStorage(Path("/proc/none")).put(HERE, b"x")
    await disk.put(HERE, b"x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match=r"can't be copied to .*: Is a directory"):
        await disk.fetch(HERE, tmp_path / "folder")


async def test_two_processes_may_use_one_folder(root: Path) -> None:
    one, other = DiskStorage(root), DiskStorage(root)
    async with anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon((one, other)[number % 2].put, f"{HERE}/{number}", b"x", {"n": str(number)})
    assert [info.attributes["n"] for info in await one.list(HERE)] == [str(number) for number in range(10)]
