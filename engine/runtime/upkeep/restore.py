"""A data folder made anew from a backup."""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path, PurePosixPath
from typing import IO

import msgspec

from engine.errors import Refused
from engine.runtime.driving.nodes import Node
from engine.runtime.upkeep.backup import END, FORMAT, HEAD, KEY, WRITTEN, Head, Progress, Size, explained, staging
from engine.store.open import DATABASE
from engine.store.snapshot import check

CHUNK_BYTES = 1024 * 1024
PARTS = (DATABASE, "files", "logs", KEY)
# What a data folder has besides: of its processes, and what can be made again.
OTHERS = ("nodes", "work", "environments")
BEFORE = "before-restore"


def restore(source: Path, folder: Path, progress: Progress, *, replace: bool = False) -> tuple[Head, Size]:
    """Fill a data folder from a backup. It is checked as a whole before anything of the folder changes.

    replace: what is in the folder moves into a folder `before-restore` in it; without it, an empty one is needed
    Raises Refused for a folder that is in use or not empty, and for a backup that is damaged or of a later version.
    """
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with staging(folder) as (aside, node):
            _check_folder(folder, node, replace)
            head, size = _unpack(source, aside, progress)
            for database in (aside / DATABASE, *sorted((aside / "logs").glob("*.db"))):
                if wrong := check(database):
                    raise Refused(f"The backup {source} is damaged: {database.name}: {wrong[0]}")
            # Unpacking takes a while, and somebody may have begun to work here.
            _check_folder(folder, node, replace)
            _move_away(folder)
            for part in PARTS:
                if (aside / part).exists():
                    (aside / part).rename(folder / part)
    return head, size


def _check_folder(folder: Path, node: Node, replace: bool) -> None:
    if any(lock.stem != node.id and not node.gone(lock.stem) for lock in (folder / "nodes").glob("*.lock")):
        raise Refused(f"A Tidegate process works on {folder}: stop it first, or restore into another folder (--data)")
    if not replace and any(found.name not in OTHERS for found in folder.iterdir()):
        raise Refused(f"{folder} is not empty: say --replace to move what is there aside, or choose another (--data)")


def _move_away(folder: Path) -> None:
    """Move the data of a folder into one inside it; it may be a mount point, which itself can't be moved."""
    parts = [folder / name for name in (*PARTS, f"{DATABASE}-wal", f"{DATABASE}-shm")]
    there = [part for part in parts if part.exists()]
    if there:
        before = folder / BEFORE
        shutil.rmtree(before, ignore_errors=True)
        before.mkdir(mode=0o700)
        for part in there:
            part.rename(before / part.name)


def _unpack(source: Path, aside: Path, progress: Progress) -> tuple[Head, Size]:
    """Raises Refused for what is no whole backup."""
    head: Head | None = None
    end: Size | None = None
    size = Size()
    try:
        with tarfile.open(source, mode="r|*") as archive:
            for member in archive:
                content = archive.extractfile(member)
                if content is None:
                    raise Refused(f"{source} is no backup of Tidegate: '{member.name}' in it is no file")
                if head is None:
                    head = _head(source, member, content)
                elif member.name == END:
                    end = msgspec.json.decode(content.read(), type=Size)
                else:
                    _unpack_file(source, member, content, aside)
                    size = Size(size.files + 1, size.bytes + member.size)
                    progress(size)
    except FileNotFoundError:
        raise Refused(f"There is no file {source}") from None
    except (tarfile.TarError, EOFError, msgspec.DecodeError) as error:
        raise Refused(f"The backup {source} can't be read: {error}") from None
    if head is None or size != end or not (aside / DATABASE).exists():
        raise Refused(
            f"The backup {source} is not whole: it holds {size.files} files, and its end is missing or differs"
        )
    return head, size


def _head(source: Path, member: tarfile.TarInfo, content: IO[bytes]) -> Head:
    if member.name != HEAD:
        raise Refused(f"{source} is no backup of Tidegate")
    head = msgspec.json.decode(content.read(), type=Head)
    if head.format > FORMAT:
        raise Refused(
            f"The backup {source} was made by Tidegate {head.version}: restore it with that version or a later one"
        )
    return head


def _unpack_file(source: Path, member: tarfile.TarInfo, content: IO[bytes], aside: Path) -> None:
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts or name.parts[:1] not in [(part,) for part in PARTS]:
        raise Refused(f"{source} is no backup of Tidegate: it has a file '{member.name}'")
    target = aside / name
    target.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "wb") as file:
        shutil.copyfileobj(content, file, CHUNK_BYTES)
    written = int(member.pax_headers.get(WRITTEN, member.mtime * 1_000_000_000))
    os.utime(target, ns=(written, written))
