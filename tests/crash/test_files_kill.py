"""Kills a process in the middle of its writes: a file is whole or not there."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.files.disk import DiskStorage

SIZE = 3_000_000
WRITER = """
import itertools, pathlib, sys
import anyio
from engine.files.disk import DiskStorage

async def stream(mark):
    for _ in range(30):
        yield mark * 100_000

async def main():
    storage = DiskStorage(pathlib.Path(sys.argv[1]))
    for number in itertools.count():
        mark = bytes([97 + number % 26])
        source = stream(mark) if number % 2 else mark * 3_000_000
        await storage.put(f"kestra:///a/{number % 5}", source, {"mark": mark.decode()})
        print(number, flush=True)

anyio.run(main)
"""


async def whole_files(storage: DiskStorage) -> int:
    """How many files there are; each must be whole, of one writing."""
    files = await storage.list("kestra:///a")
    for file in files:
        found = b"".join([chunk async for chunk in storage.read(file.address)])
        assert len(found) == file.size == SIZE
        assert found == found[:1] * SIZE
        assert "mark" in file.attributes
    return len(files)


@pytest.mark.parametrize("wait", [0.0, 0.003, 0.011, 0.017, 0.031])
async def test_a_killed_writer_leaves_no_half_file(tmp_path: Path, wait: float) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for _ in range(7):
            assert writer.stdout.readline()
        subprocess.run(["sleep", str(wait)], check=True)
        writer.send_signal(signal.SIGKILL)
    storage = DiskStorage(tmp_path)
    assert await whole_files(storage) == 5
    # What was left half is in nobody's way.
    await storage.put("kestra:///a/1", b"z" * SIZE, {"mark": "z"})
    assert await whole_files(storage) == 5


@pytest.mark.parametrize("point", [1, 2, 3, 4])
async def test_a_writer_killed_at_a_fault_point_leaves_the_old_or_the_new(tmp_path: Path, point: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WRITER, str(tmp_path)],
        env={"TIDEGATE_FAULT_AT": str(point)},
        stdout=subprocess.PIPE,
    )
    assert done.returncode == -signal.SIGKILL
    storage = DiskStorage(tmp_path)
    # Points are passed twice a file: when it is written, and when it has its name.
    assert await whole_files(storage) == point // 2
