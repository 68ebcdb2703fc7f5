"""The example that takes in files of a bucket, on a server and against a real store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from support.object_store import client, object_store

EXAMPLES = Path(__file__).parents[2] / "conf" / "examples"
ORDERS = (EXAMPLES / "data" / "orders.csv").read_bytes()
KEYS = ["orders/2026/first.csv", "orders/second.csv"]
SECONDS = 120


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with object_store(tmp_path_factory.mktemp("s3")) as address:
        yield address


def tidegate(data: Path, *arguments: str, code: int = 0) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "engine", *arguments, "--json", "--data", str(data)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env=environment(),
    )
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


SETTINGS: dict[str, str] = {}


def environment() -> dict[str, str]:
    return {**os.environ, **SETTINGS, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


async def filled(address: str) -> None:
    async with client(address) as s3:
        await s3.create_bucket(Bucket="inbox")
        for key in (*KEYS, "orders/readme.txt"):
            await s3.put_object(Bucket="inbox", Key=key, Body=ORDERS)


async def keys(address: str) -> list[str]:
    async with client(address) as s3:
        return [it["Key"] for it in (await s3.list_objects_v2(Bucket="inbox"))["Contents"]]


@pytest.mark.timeout(300)
def test_each_file_of_the_bucket_is_handled_and_archived(address: str, tmp_path: Path) -> None:
    anyio.run(filled, address)
    settings = tmp_path / "settings.yaml"
    settings.write_text(f"variables: {{globals: {{s3: {{endpoint: '{address}', bucket: inbox}}}}}}")
    SETTINGS["TIDEGATE_CONFIG"] = str(settings)
    flows = [str(EXAMPLES / name) for name in ("s3_pipeline.yaml", "s3_pipeline_file.yaml")]
    tidegate(tmp_path, "flow", "apply", *flows, "--yes")
    name = "company.team.s3_pipeline.watch"
    assert tidegate(tmp_path, "trigger", "preview", name)["items"] == 2
    command = [sys.executable, "-m", "engine", "serve", "--port", "0", "--data", str(tmp_path)]
    archived = [f"archive/{key.removeprefix('orders/')}" for key in KEYS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as server:
        give_up = time.monotonic() + SECONDS
        while anyio.run(keys, address) != [*archived, "orders/readme.txt"]:
            assert time.monotonic() < give_up, tidegate(tmp_path, "trigger", "show", name)
            time.sleep(0.5)
        server.terminate()
        server.wait(SECONDS)
    (execution,) = tidegate(tmp_path, "execution", "list", "--flow", "s3_pipeline")
    handled = tidegate(tmp_path, "execution", "list", "--flow", "s3_pipeline_file")
    assert [it["key"] for it in execution["trigger"]["variables"]["objects"]] == KEYS
    assert execution["outputs"] == {"files": 2}
    assert sorted(it["inputs"]["key"] for it in handled) == KEYS
    for it in handled:
        rows = it["outputs"]["orders"]
        assert sum(row["orders"] for row in rows) == len(ORDERS.splitlines()) - 1
    audit = tidegate(tmp_path, "trigger", "audit", name)
    assert (audit["missing"], audit["duplicate"], audit["lost"]) == ([], [], [])
