"""A data folder in one file, made while processes work on it.

What the database names is there: files are stored before the commit that names them, and are never changed in their
place. So they are linked aside, the database is fixed at a moment, what came meanwhile is linked too, and then all of
it is copied at leisure. Log lines come last, so that they are at least those of what the database knows.
"""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import IO, NamedTuple

import msgspec

from engine import __version__
from engine.errors import Refused, StorageError
from engine.files.disk import UNFINISHED
from engine.ids import random_id
from engine.runtime.driving.nodes import Node
from engine.settings import Settings
from engine.store.open import DATABASE
from engine.store.snapshot import snapshot

FORMAT = 1
HEAD = "tidegate-backup.json"
END = "tidegate-backup-end.json"
# The moment a file was written, to the nanosecond: its attributes belong to it.
WRITTEN = "TIDEGATE.mtime_ns"
KEY = "key"


class Head(msgspec.Struct, frozen=True):
    """The first member of a backup. `created`: milliseconds."""

    format: int
    version: str
    created: int


class Size(msgspec.Struct, frozen=True):
    """How much a backup holds; the last member, so that one that was cut off is known."""

    files: int = 0
    bytes: int = 0


Progress = Callable[[Size], None]


class Member(NamedTuple):
    """A file on its way into the archive."""

    path: Path
    name: str


def back_up(folder: Path, target: Path, settings: Settings, now: int, progress: Progress) -> Size:
    """Write the data folder into a file (`.tar`, or `.tar.gz` compressed), readable for its owner alone.

    Raises Refused where there is nothing, or the file is there already; StorageError for what the disk refuses.
    """
    if not (folder / DATABASE).is_file():
        raise Refused(f"There is no data in {folder}: choose a folder with --data")
    if target.exists():
        raise Refused(f"{target} is there already: choose another name, a backup writes over nothing")
    with explained(target), staging(folder) as (aside, _):
        members = _collect(folder, aside, settings)
        return _write(members, target, Head(FORMAT, __version__, now), progress)


def _collect(folder: Path, aside: Path, settings: Settings) -> list[Member]:
    files = folder / "files"
    link_tree(files, aside / "files")
    snapshot(folder / DATABASE, aside / DATABASE, settings.sqlite, fixed=lambda: link_tree(files, aside / "files"))
    if (folder / KEY).exists():
        shutil.copy2(folder / KEY, aside / KEY)
    (aside / "logs").mkdir()
    for day in sorted((folder / "logs").glob("*.db")):
        snapshot(day, aside / "logs" / day.name, settings.sqlite)
    found = (Path(place, name) for place, _, names in os.walk(aside) for name in names)
    return sorted((Member(path, path.relative_to(aside).as_posix()) for path in found), key=lambda it: it.name)


def link_tree(source: Path, target: Path) -> None:
    """Give the files of a folder a second name below another one; of a file that has one already, the newest counts."""
    for place, folders, names in os.walk(source):
        if Path(place) == source and UNFINISHED in folders:
            folders.remove(UNFINISHED)
        below = target / Path(place).relative_to(source)
        below.mkdir(parents=True, exist_ok=True)
        for name in names:
            _link(Path(place, name), below / name)


def _link(source: Path, target: Path) -> None:
    try:
        found = source.lstat()
        if target.exists():
            before = target.lstat()
            if (before.st_ino, before.st_mtime_ns) == (found.st_ino, found.st_mtime_ns):
                return
            target.unlink()
        if S_ISREG(found.st_mode):
            _link_or_copy(source, target)
    except FileNotFoundError:
        # Deleted meanwhile.
        return


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        # A file system without links.
        shutil.copy2(source, target)


def _write(members: list[Member], target: Path, head: Head, progress: Progress) -> Size:
    unfinished = target.with_name(f".{target.name}.{random_id()}")
    size = Size()
    try:
        handle = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "wb") as file:
            with _archive(file, target) as archive:
                _add_text(archive, HEAD, msgspec.json.encode(head))
                for member in members:
                    size = Size(size.files + 1, size.bytes + _add(archive, member))
                    progress(size)
                _add_text(archive, END, msgspec.json.encode(size))
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(target)
    finally:
        unfinished.unlink(missing_ok=True)
    return size


@contextmanager
def _archive(file: IO[bytes], target: Path) -> Iterator[tarfile.TarFile]:
    mode = "w|gz" if target.suffix in (".gz", ".tgz") else "w|"
    with tarfile.open(fileobj=file, mode=mode, format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]
        yield archive


def _add_text(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), 0o600
    archive.addfile(info, io.BytesIO(content))


def _add(archive: tarfile.TarFile, member: Member) -> int:
    with member.path.open("rb") as content:
        found = os.fstat(content.fileno())
        info = tarfile.TarInfo(member.name)
        info.size, info.mode, info.mtime = found.st_size, 0o600, int(found.st_mtime)
        info.pax_headers = {WRITTEN: str(found.st_mtime_ns)}
        archive.addfile(info, content)
    return found.st_size


@contextmanager
def staging(folder: Path) -> Iterator[tuple[Path, Node]]:
    """A working folder of this process on the disk of the data; what a killed one leaves is cleared as any other's."""
    node = Node(folder / "nodes")
    node.lock()
    aside = folder / "work" / node.id
    try:
        aside.mkdir(parents=True, mode=0o700)
        yield aside, node
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        node.unlock()


@contextmanager
def explained(place: Path) -> Iterator[None]:
    """Say what the disk refused."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"{error.filename or place}: {error.strerror}") from None
