"""A real S3 server for tests, on this machine."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio

READY_SECONDS = 60


@contextmanager
def object_store(folder: Path) -> Iterator[str]:
    """The address of a server that keeps its objects in a folder and lets everybody in, while the block is open."""
    program = shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")
    assert program is not None, "the test dependencies bring the program weed"
    ports = {name: _free_port() for name in ("s3", "master", "volume", "filer")}
    command = [program, "server", f"-dir={folder}", "-ip=127.0.0.1", "-s3"]
    # A bucket has volumes of its own, and the tests have many.
    command += ["-master.volumeSizeLimitMB=64", "-volume.max=1000"]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]
    command += [f"-{name}.port={port}" for name, port in ports.items()]
    command += [f"-{name}.port.grpc={_free_port()}" for name in ports]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        address = f"http://127.0.0.1:{ports['s3']}"
        anyio.run(_ready, address, process, folder / "server.log")
        yield address
    finally:
        # It waits for its own parts for long; nothing of it is needed any more.
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


async def _ready(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until an object can be written: the server answers before its volumes are there."""
    with anyio.fail_after(READY_SECONDS):
        while True:
            assert process.poll() is None, log.read_text()[-2000:]
            try:
                async with client(address) as s3:
                    await s3.create_bucket(Bucket="ready")
                    await s3.put_object(Bucket="ready", Key="ready", Body=b"ready")
                    return
            except Exception:
                await anyio.sleep(0.2)


@asynccontextmanager
async def client(address: str) -> AsyncIterator[Any]:
    """A client of the server."""
    from aiobotocore.config import AioConfig
    from aiobotocore.session import get_session

    config = AioConfig(s3={"addressing_style": "path"}, retries={"max_attempts": 1}, connect_timeout=5)
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
    async with get_session().create_client(
        "s3", region_name="us-east-1", endpoint_url=address, config=config, **keys
    ) as s3:
        yield s3
