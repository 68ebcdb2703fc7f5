"""The working directory of an attempt: input files in, output files out."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import anyio.to_thread

from engine.errors import TaskError
from engine.plugin.context import Files
from engine.runtime.attempts.folder_cache import FolderCache
from engine.runtime.keeping.globs import matching

ADDRESSES = ("kestra://", "nsfile://", "file://")
URI = re.compile(r"(?:kestra:///|nsfile://)[^\s'\"<>()\[\]{},;`|\\]+")


class WorkingFolder:
    """Made at first use below `base`, removed by `close`; one that is `shared` is left to its owner."""

    def __init__(self, base: Path, files: Files, cache: FolderCache, shared: Path | None = None) -> None:
        self._base = base
        self._files = files
        self._cache = cache
        self._path = shared
        self._owned = shared is None

    @property
    def made(self) -> bool:
        """Whether there is something to clear away."""
        return self._owned and self._path is not None

    @property
    def path(self) -> Path:
        if self._path is None:
            self._base.mkdir(parents=True, exist_ok=True)
            self._path = Path(tempfile.mkdtemp(dir=self._base))
        return self._path

    def resolve(self, name: str) -> Path:
        pure = PurePosixPath(name)
        if not name or pure.is_absolute() or ".." in pure.parts or name.startswith("./") or "\0" in name:
            raise TaskError(f"Invalid file name '{name}': only a path relative to the working directory is supported")
        target = self.path / pure
        if not target.resolve().is_relative_to(self.path.resolve()):
            raise TaskError(f"Invalid file name '{name}': it leads outside the working directory")
        return target

    async def write(self, files: Any) -> None:
        for name, content in _entries(files):
            target = self.resolve(name)
            if isinstance(content, str) and content.startswith(ADDRESSES):
                await self._fetch(name, content.strip(), target)
            else:
                await anyio.to_thread.run_sync(_write_text, target, content)

    async def _fetch(self, name: str, uri: str, target: Path) -> None:
        try:
            await self._files.fetch(uri, target)
        except TaskError as error:
            raise TaskError(f"inputFiles.{name}: {error}") from None

    async def localize(self, text: str) -> str:
        found = dict.fromkeys(URI.findall(text))
        for number, uri in enumerate(found):
            target = self.path / ".inputs" / str(number) / PurePosixPath(uri).name
            await self._files.fetch(uri, target)
            text = text.replace(uri, str(target))
        return text

    async def find(self, patterns: Sequence[str]) -> list[str]:
        return await anyio.to_thread.run_sync(matching, self.path, list(patterns))

    async def collect(self, patterns: Sequence[str]) -> dict[str, str]:
        return {name: await self._files.put(name, self.path / name) for name in await self.find(patterns)}

    async def keep(self, patterns: Sequence[str]) -> bool:
        return await self._cache.save(self.path, await self.find(patterns))

    async def recall(self, ttl: int | None = None) -> bool:
        return await self._cache.restore(self.path, ttl)

    async def close(self) -> None:
        if self._owned and self._path is not None:
            await anyio.to_thread.run_sync(lambda path: shutil.rmtree(path, ignore_errors=True), self._path)
            self._path = None


def _entries(files: Any) -> list[tuple[str, Any]]:
    """Name and content of each input file, whichever way they were given."""
    if files is None:
        return []
    if isinstance(files, str):
        try:
            files = json.loads(files)
        except ValueError:
            raise TaskError("inputFiles given as a text must be a JSON map of file name to content") from None
    if isinstance(files, Mapping):
        return [(str(name), content) for name, content in files.items()]
    if isinstance(files, list | tuple):
        return [(PurePosixPath(str(uri)).name, str(uri)) for uri in files]
    raise TaskError(f"Invalid `files` properties with type '{type(files).__name__}'")


def _write_text(target: Path, content: Any) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        target.touch()
    elif isinstance(content, str):
        target.write_text(content, encoding="utf-8")
    else:
        target.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
