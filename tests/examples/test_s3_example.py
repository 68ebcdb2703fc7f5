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

from engine.clock import SystemClock
from engine.settings import Settings
from engine.state.ledger import Comparing
from engine.store.open import open_store
from support.object_store import client, object_store

EXAMPLES = Path(__file__).parents[2] / "conf" / "examples"
ORDERS = (EXAMPLES / "data" / "orders.csv").read_bytes()
KEYS = ["orders/2026/first.csv", "orders/second.csv"]
SECONDS = 120


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with object_store(tmp_path_factory.mktemp("s3")) as address:
        yield address


def told(data: Path, *arguments: str, code: int = 0) -> str:
    """What a command prints."""
    done = subprocess.run(
        [sys.executable, "-m", "engine", *arguments, "--data", str(data)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env=environment(),
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def tidegate(data: Path, *arguments: str) -> Any:
    return json.loads(told(data, *arguments, "--json"))


SETTINGS: dict[str, str] = {}


def environment() -> dict[str, str]:
    return {**os.environ, **SETTINGS, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


async def filled(address: str) -> None:
    async with client(address) as s3:
        await s3.create_bucket(Bucket="inbox")
        for key in (*KEYS, "orders/readme.txt"):
            await s3.put_object(Bucket="inbox", Key=key, Body=ORDERS)


async def forgotten(data: Path, address: str) -> None:
    """Put an object into the bucket, and let the store say that a look, long after, did not find it."""
    async with client(address) as s3:
        await s3.put_object(Bucket="inbox", Key="orders/lost.csv", Body=ORDERS)
    async with open_store(data, Settings()) as store:
        scope = await store.ledger.scope("company.team", "s3_pipeline/watch", "s3://inbox", 1)
        how = Comparing(await store.ledger.begin(scope.id, False, 1), "none/", None, None, "etag", True, 1)
        later = SystemClock().now() + 3_600_000
        await store.ledger.finish(scope.id, how, scope.coverage or "", later, 0)


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
    shown = told(tmp_path, "trigger", "preview", name)
    assert "s3://inbox/orders/: 2 objects will fire now; executions: 1\n" in shown
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
    shown = told(tmp_path, "trigger", "audit", name)
    assert "ignored by glob: 1" in shown
    assert shown.endswith("missing: 0\n  duplicate: 0\n  execution is gone: 0\n")
    anyio.run(forgotten, tmp_path, address)
    assert "missing: 1\n    orders/lost.csv\n" in told(tmp_path, "trigger", "audit", name, code=1)
