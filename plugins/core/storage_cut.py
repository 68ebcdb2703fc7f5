"""Cutting and turning round local files line by line, for a thread: the memory it takes doesn't grow with the file."""

from __future__ import annotations

import codecs
import mmap
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from engine.plugin import TaskError

BUFFER_BYTES = 1024 * 1024
# What waits in memory for the files of all partitions together.
WAITING_BYTES = 16 * 1024 * 1024
SIZE = re.compile(r"\s*(\d+)\s*(?:([KMG])I?B?|B)?\s*", re.IGNORECASE)
UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}


class Stopped(Exception):
    """The task is being stopped."""


class Cutter:
    """Cuts a file into pieces by size, else into partitions, else by rows. Pieces are named by their number."""

    def __init__(
        self,
        *,
        source: Path,
        folder: Path,
        separator: bytes,
        size: int | None,
        partitions: int | None,
        rows: int | None,
    ) -> None:
        self._source = source
        self._folder = folder
        self._separator = separator
        self._size = size
        self._partitions = partitions
        self._rows = rows
        self._stopped = False

    def stop(self) -> None:
        """Let `run` end soon, with Stopped."""
        self._stopped = True

    def run(self) -> list[Path]:
        """Write the pieces; returns those that hold anything, in order."""
        self._folder.mkdir()
        if self._size is None and self._partitions is not None:
            return self._in_turn(self._partitions)
        return self._one_after_another()

    def _one_after_another(self) -> list[Path]:
        pieces: list[Path] = []
        lines = self._lines()
        line = next(lines, None)
        while line is not None:
            piece = self._piece(len(pieces))
            pieces.append(piece)
            size = rows = 0
            with piece.open("wb", buffering=BUFFER_BYTES) as file:
                while line is not None and not self._full(size, rows):
                    size += file.write(line)
                    rows += 1
                    line = next(lines, None)
        return pieces

    def _full(self, size: int, rows: int) -> bool:
        # A piece has at least one line, however small it should be.
        if self._size is not None:
            return rows > 0 and size >= self._size
        return self._rows is not None and rows >= self._rows

    def _in_turn(self, count: int) -> list[Path]:
        waiting: defaultdict[int, bytearray] = defaultdict(bytearray)
        size = 0
        seen = set()
        for number, line in enumerate(self._lines()):
            waiting[number % count] += line
            seen.add(number % count)
            size += len(line)
            if size >= WAITING_BYTES:
                self._flush(waiting)
                size = 0
        self._flush(waiting)
        return [self._piece(number) for number in sorted(seen)]

    def _flush(self, waiting: defaultdict[int, bytearray]) -> None:
        """Append what waits; no file stays open, so that there may be any number of partitions."""
        for number, content in waiting.items():
            with self._piece(number).open("ab") as file:
                file.write(content)
        waiting.clear()

    def _lines(self) -> Iterator[bytes]:
        """The lines, each with the separator at its end in place of the line break."""
        with self._source.open("rb", buffering=BUFFER_BYTES) as file:
            for line in file:
                if self._stopped:
                    raise Stopped
                yield line.removesuffix(b"\n").removesuffix(b"\r") + self._separator

    def _piece(self, number: int) -> Path:
        return self._folder / f"{number:06}"


class Turner:
    """Writes the lines of a file in the opposite order, each with the separator at its end."""

    def __init__(self, source: Path, target: Path, separator: str, charset: str) -> None:
        try:
            codec = codecs.lookup(charset.strip())
            self._separator = separator.encode(codec.name)
            self._mark = "".encode(codec.name)
            self._unit = len("a".encode(codec.name)) - len(self._mark)
        except (LookupError, UnicodeError):
            raise TaskError(f"charset: '{charset}' is not an encoding that can write the separator") from None
        self._separator = self._separator.removeprefix(self._mark)
        self._source = source
        self._target = target
        self._stopped = False

    def stop(self) -> None:
        """Let `run` end soon, with Stopped."""
        self._stopped = True

    def run(self) -> None:
        """Write the target."""
        with self._source.open("rb") as source, self._target.open("wb", buffering=BUFFER_BYTES) as target:
            if not self._source.stat().st_size:
                return
            with mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as content:
                begin = len(self._mark) if self._mark and content[: len(self._mark)] == self._mark else 0
                target.write(content[:begin])
                for start, end in self._lines(content, begin):
                    target.write(content[start:end])
                    target.write(self._separator)

    def _lines(self, content: mmap.mmap, begin: int) -> Iterator[tuple[int, int]]:
        """Where each line starts and ends, the last one first."""
        length = len(self._separator)
        end = len(content)
        found = self._last(content, begin, end)
        if found == end - length:
            end = found
        while not self._stopped:
            found = self._last(content, begin, end)
            if found < 0:
                yield begin, end
                return
            yield found + length, end
            end = found
        raise Stopped

    def _last(self, content: mmap.mmap, begin: int, end: int) -> int:
        """Where the last separator before `end` is, -1 where there is none; whole characters only."""
        found = content.rfind(self._separator, begin, end)
        while found >= 0 and (found - begin) % self._unit:
            found = content.rfind(self._separator, begin, found + len(self._separator) - 1)
        return found


def size_of(text: str) -> int:
    """Bytes of a size such as 10MB or 4096. Raises TaskError."""
    found = SIZE.fullmatch(text)
    size = 0 if found is None else int(found[1]) * UNITS[(found[2] or "").upper()]
    if size <= 0:
        raise TaskError(f"bytes: must be a size such as 10MB or 4096, but is '{text}'")
    return size
