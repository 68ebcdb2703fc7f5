"""The examples whose executions are started by triggers, on a server."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "conf" / "examples"
SECRETS = {"INGEST_KEY": "key-of-orders", "INGEST_SIGNATURE": "known to the sender"}
ORDER = {"number": "A-17", "items": [{"price": 2.5, "count": 4}, {"price": 10, "count": 1}]}
SECONDS = 60


class Server:
    """A server with the examples, and the commands over its data folder."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.url = ""

    def call(self, *arguments: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "engine", *arguments, "--json", "--data", str(self.data)],
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def post(self, body: bytes, signature: str) -> tuple[int, dict[str, str], Any]:
        address = f"{self.url}/api/v1/executions/webhook/company.team/webhook_ingest/{SECRETS['INGEST_KEY']}"
        request = urllib.request.Request(address, data=body, headers={"X-Signature": f"sha256={signature}"})
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                return answer.status, dict(answer.headers), json.loads(answer.read())
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, {}, json.loads(refused.read())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("data"))
    secrets = {f"SECRET_{name}": base64.b64encode(text.encode()).decode() for name, text in SECRETS.items()}
    arguments = ["serve", "--port", "0", "--flows", str(EXAMPLES), "--data", str(made.data)]
    with subprocess.Popen(
        [sys.executable, "-m", "engine", *arguments], stdout=subprocess.PIPE, text=True, env={**os.environ, **secrets}
    ) as process:
        assert process.stdout is not None
        made.url = process.stdout.readline().split()[-1]
        yield made
        process.terminate()
        process.wait(SECONDS)


def signed(body: bytes) -> str:
    return hmac.new(SECRETS["INGEST_SIGNATURE"].encode(), body, hashlib.sha256).hexdigest()


@pytest.mark.timeout(180)
def test_an_order_is_taken_once_and_answered_with_its_sum(server: Server) -> None:
    body = json.dumps(ORDER).encode()
    assert server.post(body, signed(b"another"))[0] == 401
    answers = [server.post(body, signed(body)) for _ in range(2)]
    assert [status for status, _, _ in answers] == [200, 200]
    assert answers[0][2] == answers[1][2]
    assert answers[0][2]["total"] == 20.0
    assert answers[1][1]["Idempotent-Replay"] == "true"
    assert len(server.call("execution", "list", "--flow", "webhook_ingest")) == 1


@pytest.mark.timeout(180)
def test_days_of_the_past_are_reported(server: Server) -> None:
    name = "company.team.cron_report.morning"
    server.call("trigger", "backfill", name, "--start", "2026-03-01T00:00:00Z", "--end", "2026-03-03T12:00:00Z")
    give_up = time.monotonic() + SECONDS
    done: list[dict[str, Any]] = []
    while len(done) < 3:
        assert time.monotonic() < give_up
        done = server.call("execution", "list", "--flow", "cron_report", "--state", "success")
    inputs = [server.call("execution", "outputs", it["id"])["flow"]["report"] for it in done]
    assert len(set(inputs)) == 3


@pytest.mark.timeout(180)
def test_a_webhook_answers_when_what_it_got_is_in_the_log(server: Server) -> None:
    address = f"{server.url}/api/v1/executions/webhook/company.team/webhook_to_log/an-example-key"
    request = urllib.request.Request(address, data=b'{"a": 1}', headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        execution = json.loads(answer.read())
    assert execution["state"]["current"] == "SUCCESS"
    with urllib.request.urlopen(f"{server.url}/api/v1/main/logs/{execution['id']}", timeout=SECONDS) as answer:
        assert '{"a":1}' in [line["message"] for line in json.loads(answer.read())]
