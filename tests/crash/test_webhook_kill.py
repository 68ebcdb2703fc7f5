"""SIGKILL of a server that takes requests: whatever was answered is there, and nothing is there twice."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp
import anyio
import pytest

from engine.ids import ExecutionId
from engine.runtime.engine import open_engine
from engine.settings import Settings
from engine.state.status import Status
from engine.store.rows import ExecutionFilter
from support.killing import most

ROUNDS = most(3)
AT_ONCE = 8
FLOW = """
id: hook
namespace: crash
tasks: [{id: say, type: core.debug.Return, format: "{{ trigger.body.n }}"}]
triggers: [{id: called, type: core.trigger.Webhook, key: key-of-hook, idempotencyKey: "{{ trigger.body.n }}"}]
"""
PATH = "/api/v1/executions/webhook/crash/hook/key-of-hook"


@pytest.mark.timeout(300)
async def test_wh_01_what_was_answered_is_there_and_tr_01_each_request_counts_once(tmp_path: Path) -> None:
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "hook.yaml").write_text(FLOW)
    answered: dict[int, str] = {}
    wanted: list[int] = []
    for round in range(ROUNDS):
        # Those that got no answer are sent again, as a sender does.
        left = [n for n in wanted if n not in answered]
        new = list(range(1000 * round, 1000 * round + 400))
        wanted += new
        answered |= await _killed(tmp_path, [*left, *new], random.Random(round).uniform(0.3, 1.2))
    assert answered
    async with open_engine(tmp_path / "data", Settings(), recovers=True) as engine:
        found = await engine.store.executions.list(ExecutionFilter(flow="hook", limit=10_000))
        for execution in found:
            with anyio.fail_after(60):
                assert (await engine.control.wait(execution.id)).state is Status.SUCCESS
    numbers = [it.trigger.variables["body"]["n"] for it in found if it.trigger]
    assert len(set(numbers)) == len(numbers)
    by_id = {it.id: it.trigger.variables["body"]["n"] for it in found if it.trigger}
    assert {n: by_id.get(ExecutionId(id)) for n, id in answered.items()} == {n: n for n in answered}


async def _killed(folder: Path, numbers: list[int], after: float) -> dict[int, str]:
    """Send requests to a server that is killed meanwhile; the ids that it answered with."""
    arguments = ["serve", "--port", "0", "--flows", str(folder / "flows"), "--data", str(folder / "data")]
    process = subprocess.Popen([sys.executable, "-m", "engine", *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    url = (await anyio.to_thread.run_sync(process.stdout.readline)).split()[-1]
    answered: dict[int, str] = {}
    waiting = list(reversed(numbers))

    async def send(session: aiohttp.ClientSession) -> None:
        while waiting:
            n = waiting.pop()
            try:
                async with session.post(PATH, json={"n": n}) as answer:
                    if answer.status == 200:
                        answered[n] = (await answer.json())["id"]
            except aiohttp.ClientError:
                return

    async with aiohttp.ClientSession(url) as session, anyio.create_task_group() as tasks:
        for _ in range(AT_ONCE):
            tasks.start_soon(send, session)
        await anyio.sleep(after)
        process.send_signal(signal.SIGKILL)
    process.stdout.close()
    process.wait(30)
    return answered
