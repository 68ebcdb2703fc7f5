"""Older contents of namespace files.

The revisions of `…/_files/a/b.sql` lie at `…/_file_revisions/a/b.sql/v1` and so on; the content of now is one more.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from engine.errors import NotFound
from engine.files.protocol import FileInfo, InternalStorage

CURRENT = "/_files/"
OLDER = "/_file_revisions/"
NAME = re.compile(r"/v([1-9][0-9]{0,8})")
WRITTEN = "written"
NUMBER = "revision"


class Revision(NamedTuple):
    """One content of a file; size in bytes, `modified` in milliseconds: when it was stored."""

    number: int
    address: str
    size: int
    modified: int


class Revisions:
    """Keeps older contents of files. keep: how many a file has at most, besides that of now; 0 keeps none."""

    def __init__(self, files: InternalStorage, keep: int) -> None:
        self._files = files
        self._keep = keep

    async def all(self, address: str) -> list[Revision]:
        """The revisions of a file, the one of now first. Raises NotFound."""
        now = await self._files.stat(address)
        older = await self.older(address)
        number = int(now.attributes.get(NUMBER) or (older[0].number + 1 if older else 1))
        return [Revision(number, address, now.size, now.modified), *older]

    async def older(self, address: str) -> list[Revision]:
        """The revisions before the one of now, the latest first."""
        folder = _folder(address)
        found = [
            Revision(int(name[1]), info.address, info.size, _written(info))
            for info in await self._files.list(folder)
            if (name := NAME.fullmatch(info.address.removeprefix(folder)))
        ]
        return sorted(found, reverse=True)

    async def find(self, address: str, number: int) -> str:
        """The address of one revision. Raises NotFound."""
        for revision in await self.all(address):
            if revision.number == number:
                return revision.address
        path = address.partition(CURRENT)[2]
        raise NotFound("revision", str(number), f"`tidegate namespace files revisions` shows those of '{path}'")

    async def add(self, address: str) -> dict[str, str] | None:
        """Keep the content that a file has now, and drop the oldest ones.

        Returns the attributes that what replaces it is to be stored with.
        """
        if self._keep <= 0:
            return None
        try:
            current, *older = await self.all(address)
        except NotFound:
            return None
        attributes = {WRITTEN: str(current.modified)}
        await self._files.put(f"{_folder(address)}/v{current.number}", self._files.read(address), attributes)
        for revision in older[self._keep - 1 :]:
            await self._files.delete(revision.address)
        return {NUMBER: str(current.number + 1)}

    async def forget(self, address: str) -> None:
        """Drop the older contents of a file, or of all files of a folder."""
        await self._files.delete(_folder(address))

    async def move(self, source: str, target: str) -> None:
        """Give the older contents of a file to another one."""
        for revision in await self.older(source):
            info = await self._files.stat(revision.address)
            address = f"{_folder(target)}/v{revision.number}"
            await self._files.put(address, self._files.read(revision.address), info.attributes)
        await self.forget(source)

    async def purge(self, address: str, keep: int | None, before: int | None) -> int:
        """Drop older contents; returns how many.

        keep: how many stay at least, with the one of now
        before: only those that were stored before, in milliseconds
        """
        stays = 0 if keep is None else max(keep - 1, 0)
        dropped = 0
        for revision in (await self.older(address))[stays:]:
            if before is None or revision.modified < before:
                dropped += await self._files.delete(revision.address)
        return dropped


def _folder(address: str) -> str:
    return address.replace(CURRENT, OLDER, 1)


def _written(info: FileInfo) -> int:
    text = info.attributes.get(WRITTEN, "")
    return int(text) if text.isdecimal() else info.modified
