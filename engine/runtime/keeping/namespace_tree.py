"""The files of a namespace as a tree of folders: what is in one, make one, give files and folders another place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from engine.errors import Conflict, Malformed, NotFound
from engine.files.addresses import namespace_folder
from engine.files.protocol import FileInfo, InternalStorage
from engine.runtime.keeping.namespaces import FOLDER_MARK, address_of, valid
from engine.runtime.keeping.revisions import Revisions

ROOT = "_files"


class Item(NamedTuple):
    """A file or folder: its name, its path from the root; size in bytes, `modified` in milliseconds.

    A folder is as large as all files below it, and changed when the last one of them was.
    """

    name: str
    path: str
    folder: bool
    size: int
    modified: int


class NamespaceTree:
    """The trees of all namespaces. Paths begin with `/`, which those that are given may leave out."""

    def __init__(self, files: InternalStorage, revisions: Revisions) -> None:
        self._files = files
        self._revisions = revisions

    async def look(self, namespace: str, path: str) -> Item:
        """A file or folder; the root is always there. Raises NotFound."""
        steps = _steps(path)
        folder, infos = await self._below(namespace, steps)
        name = steps[-1] if steps else ROOT
        if len(infos) == 1 and infos[0].address == folder:
            return Item(name, f"/{'/'.join(steps)}", False, infos[0].size, infos[0].modified)
        if steps and not infos:
            raise NotFound("file", f"/{'/'.join(steps)}", f"it is not among the files of namespace '{namespace}'")
        return _folder(name, steps, infos)

    async def children(self, namespace: str, path: str) -> list[Item]:
        """What is in a folder, folders first, by name. Raises NotFound."""
        steps = _steps(path)
        folder, infos = await self._below(namespace, steps)
        if steps and not any(info.address.startswith(f"{folder}/") for info in infos):
            raise NotFound("folder", f"/{'/'.join(steps)}", f"it is not among the files of namespace '{namespace}'")
        found: dict[str, list[FileInfo]] = {}
        files = []
        for info in infos:
            name, deeper, _ = info.address.removeprefix(f"{folder}/").partition("/")
            if deeper:
                found.setdefault(name, []).append(info)
            elif name != FOLDER_MARK:
                files.append(Item(name, f"/{'/'.join((*steps, name))}", False, info.size, info.modified))
        folders = [_folder(name, (*steps, name), below) for name, below in sorted(found.items())]
        return [*folders, *sorted(files)]

    async def make(self, namespace: str, path: str) -> None:
        """Make a folder, which may be there already."""
        steps = _steps(path)
        if steps:
            await self._files.put(address_of(namespace, "/".join((*steps, FOLDER_MARK))), b"")

    async def move(self, namespace: str, source: str, target: str) -> None:
        """Give a file or a folder another path, with the older contents.

        Raises NotFound, Conflict where there is something already, Malformed for a folder into itself.
        """
        old, new = address_of(namespace, source), address_of(namespace, target)
        if f"{new}/".startswith(f"{old}/"):
            raise Malformed(f"'{source}' can't be moved into itself, to '{target}'")
        infos = await self._files.list(old)
        if not infos:
            raise NotFound("file", source, f"it is not among the files of namespace '{namespace}'")
        if await self._files.list(new):
            raise Conflict(f"there is something at '{target}' already: delete it first, or choose another path")
        for info in infos:
            address = f"{new}{info.address.removeprefix(old)}"
            await self._files.put(address, self._files.read(info.address), info.attributes)
            await self._revisions.move(info.address, address)
        await self._files.delete(old)

    async def _below(self, namespace: str, steps: tuple[str, ...]) -> tuple[str, list[FileInfo]]:
        folder = address_of(namespace, "/".join(steps)) if steps else namespace_folder(valid(namespace))
        return folder, list(await self._files.list(folder))


def _steps(path: str) -> tuple[str, ...]:
    return tuple(step for step in path.split("/") if step)


def _folder(name: str, steps: Iterable[str], infos: list[FileInfo]) -> Item:
    size = sum(info.size for info in infos)
    return Item(name, f"/{'/'.join(steps)}", True, size, max((info.modified for info in infos), default=0))
