"""Webhooks that answer at the end of their execution, beside the least that a server of this design has to do."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import quantiles

import anyio
from raw_http import connected, exchange, server

FLOW = (Path(__file__).parents[2] / "conf" / "examples" / "webhook_to_log.yaml").read_text()
KERNEL = Path(__file__).with_name("webhook_kernel.py")
PATH = "/executions/webhook/company.team/webhook_to_log/an-example-key"
BODY = b'{"number": 4711, "what": "a small order"}'
REQUESTS = 6_000
AT_ONCE = 32
PACED = 400
A_SECOND = 50
EACH = "webhook to the end of its execution, at full speed (µs)"
RATIO = "the same against a bare kernel (ratio of rates; more is better)"
FULL_P99 = "webhook at full speed, p99 (ms)"
P50 = "webhook at 50 a second, p50 (ms)"
P99 = "webhook at 50 a second, p99 (ms)"
GOALS = {EACH: 1_000_000 / 1200, RATIO: 0.4, FULL_P99: 60.0, P50: 6.0, P99: 20.0}


def run() -> dict[str, float]:
    """Microseconds of a webhook, and what it costs above the kernel's; latencies in milliseconds."""
    with tempfile.TemporaryDirectory() as folder, server(Path(folder) / "data", [FLOW]) as port:
        each, took = anyio.run(_full, port)
        paced = anyio.run(_paced, port)
    kernel = _kernel()
    cuts = quantiles(paced, n=100)
    return {EACH: each, RATIO: kernel / each, FULL_P99: quantiles(took, n=100)[98], P50: cuts[49], P99: cuts[98]}


async def _full(port: int) -> tuple[float, list[float]]:
    """Microseconds of one request of many side by side, and how long each took in milliseconds."""
    took: list[float] = []

    async def caller(count: int) -> None:
        async with connected(port) as stream:
            for _ in range(count):
                began = time.perf_counter()
                await exchange(stream, "POST", PATH, BODY)
                took.append((time.perf_counter() - began) * 1000)

    async def many(count: int) -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(AT_ONCE):
                tasks.start_soon(caller, count // AT_ONCE)

    await many(REQUESTS // 10)
    took.clear()
    began = time.perf_counter()
    await many(REQUESTS)
    return (time.perf_counter() - began) / REQUESTS * 1_000_000, took


async def _paced(port: int) -> list[float]:
    """How long each of requests took that come one after another at a steady pace, in milliseconds."""
    took: list[float] = []

    async def call(due: float) -> None:
        async with connected(port) as stream:
            await anyio.sleep(max(0.0, due - time.perf_counter()))
            await exchange(stream, "POST", PATH, BODY)
            took.append((time.perf_counter() - due) * 1000)

    began = time.perf_counter() + 0.1
    async with anyio.create_task_group() as tasks:
        for number in range(PACED):
            due = began + number / A_SECOND
            tasks.start_soon(call, due)
            await anyio.sleep(max(0.0, due - time.perf_counter() - 0.1))
    return took


def _kernel() -> float:
    """Microseconds of one request to the kernel, asked in the same way."""
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen([sys.executable, str(KERNEL), folder], stdout=subprocess.PIPE, text=True) as process,
    ):
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            return anyio.run(_full, port)[0]
        finally:
            process.terminate()
