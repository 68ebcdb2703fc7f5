"""The example flows, run as the README shows them."""

from __future__ import annotations

import csv
import functools
import io
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "conf" / "examples"
PRODUCTS = json.loads((EXAMPLES / "data" / "products.json").read_text())["products"]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def api_url() -> Iterator[str]:
    handler = functools.partial(Quiet, directory=str(EXAMPLES / "data"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/products.json"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


def tidegate(*arguments: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "engine", *arguments],
        capture_output=True,
        text=True,
        timeout=170,
        env={**os.environ, "COLUMNS": "300"},
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout


def started(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "engine", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "300"},
    )


def until(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 40
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.05)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", ["getting_started_output", "getting_started", "getting_started_process"])
def test_the_tutorial_runs_and_its_figures_are_right(name: str, api_url: str, data: Path, tmp_path: Path) -> None:
    shown = tidegate(
        "run", str(EXAMPLES / f"{name}.yaml"), "-i", f"api_url={api_url}", "--data", str(data), "--save", str(tmp_path)
    )
    assert "SUCCESS" in shown
    (execution,) = re.findall(r"Execution (\S+) of", shown)
    at = ("--data", str(data))
    outputs = json.loads(tidegate("execution", "outputs", execution, "--json", *at))["tasks"]
    by_suffix = {uri.rpartition(".")[2]: uri for uri in re.findall(r"kestra://[^\s\"]+", json.dumps(outputs))}

    result = json.loads(tidegate("file", "preview", by_suffix["ion"], "--rows", "1000", "--json", *at))
    assert [dict(zip(result["columns"], row, strict=True)) for row in result["rows"]] == averages()

    downloaded = tidegate("file", "get", by_suffix["csv"], *at)
    assert len(list(csv.DictReader(io.StringIO(downloaded)))) == len(PRODUCTS)
    assert any(file.read_text() == downloaded for file in tmp_path.rglob("*.csv"))

    answer = tidegate("eval", execution, "{{ outputs.api.body | jq('.products') | first }}", *at)
    assert json.loads(answer) == PRODUCTS


def test_the_examples_have_no_mistakes() -> None:
    tidegate("validate", str(EXAMPLES))


@pytest.mark.timeout(180)
def test_each_order_becomes_an_execution_whose_outputs_are_put_together(data: Path) -> None:
    at = ("--data", str(data))
    orders = EXAMPLES / "data" / "orders.csv"
    shown = tidegate("run", str(EXAMPLES / "each_order.yaml"), "--flows", str(EXAMPLES), "-f", f"orders={orders}", *at)
    (execution,) = re.findall(r"Execution (\S+) of \S+\.each_order", shown)
    rows = list(csv.DictReader(io.StringIO(orders.read_text())))
    prices = [float(row["amount"]) * (0.9 if float(row["amount"]) >= 300 else 1) * 1.19 for row in rows]
    outputs = json.loads(tidegate("execution", "outputs", execution, "--json", *at))["flow"]
    assert outputs == {"orders": len(rows), "total": round(sum(prices), 2)}
    begun = json.loads(tidegate("execution", "list", "--flow", "one_order", "--state", "success", "--json", *at))
    assert len(begun) == len(rows)


def test_the_tests_beside_a_flow_pass() -> None:
    assert "2 passed" in tidegate("test", str(EXAMPLES / "one_order.yaml"))


@pytest.mark.timeout(180)
def test_it_asks_first(data: Path) -> None:
    at = ("--data", str(data))
    with started("run", str(EXAMPLES / "ask_first.yaml"), *at) as process:
        until(lambda: "PAUSED" in tidegate("execution", "list", "--flow", "ask_first", *at))
        (asked,) = json.loads(tidegate("execution", "list", "--flow", "ask_first", "--json", *at))
        why = tidegate("execution", "why", asked["id"], *at)
        assert "until somebody resumes it with agreed, reason (may be left out)" in why
        assert f"tidegate execution resume {asked['id']} -i agreed=" in why
        tidegate("execution", "resume", asked["id"], "-i", "agreed=false", "-i", "reason=too much", *at)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    assert "Not paid: too much" in out


@pytest.mark.timeout(180)
def test_one_at_a_time_and_a_report_after_each(data: Path) -> None:
    at = ("--data", str(data))
    flow = str(EXAMPLES / "one_at_a_time.yaml")
    with started("run", flow, "-i", "seconds=600", *at) as first:
        until(lambda: "RUNNING" in tidegate("execution", "list", "--flow", "one_at_a_time", *at))
        with started("run", flow, "-i", "seconds=0", *at) as second:
            until(lambda: "QUEUED" in tidegate("execution", "list", "--flow", "one_at_a_time", *at))
            why = tidegate("execution", "why", "last", *at)
            assert (
                "It is number 1 in the queue of company.team.one_at_a_time, of which one execution runs at once" in why
            )
            (holder,) = re.findall(r"now (\S+) of", why)
            assert (
                f"now {holder} of company.team.one_at_a_time (RUNNING), where the task 'work' has been running" in why
            )
            tidegate("execution", "kill", holder, *at)
            outs = [process.communicate(timeout=60)[0] for process in (first, second)]
    assert "one_at_a_time ended in KILLED" in outs[0]
    assert "one_at_a_time ended in SUCCESS" in outs[1]


def averages() -> list[dict[str, object]]:
    """Average price by brand, highest first, worked out without SQL."""
    prices: dict[str, list[float]] = defaultdict(list)
    for product in PRODUCTS:
        prices[product["brand"]].append(product["price"])
    found = [{"brand": brand, "avg_price": round(sum(all) / len(all), 2)} for brand, all in prices.items()]
    return sorted(found, key=lambda row: (-float(str(row["avg_price"])), row["brand"]))


@pytest.mark.timeout(180)
def test_a_flow_follows_two_others_once_both_have_succeeded(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "data"))
    orders = EXAMPLES / "data" / "orders.csv"

    def followers() -> list[dict[str, Any]]:
        return list(json.loads(tidegate("execution", "list", "--flow", "chained_flows", "--json", *data)))

    tidegate("flow", "apply", *(str(file) for file in EXAMPLES.glob("chained_*.yaml")), "--yes", *data)
    tidegate("run", str(EXAMPLES / "chained_orders.yaml"), "-f", f"orders={orders}", *data)
    tidegate("run", str(EXAMPLES / "chained_rate.yaml"), "-i", "rate=2", *data)
    assert followers() == []
    server = started("serve", "--port", "0", *data)
    try:
        until(lambda: any(one["history"][-1][0] == "SUCCESS" for one in followers()))
    finally:
        server.terminate()
        server.communicate(timeout=30)
    (one,) = followers()
    amounts = [float(row["amount"]) for row in csv.DictReader(io.StringIO(orders.read_text()))]
    assert one["outputs"] == {"total": round(sum(amounts) * 2, 2)}
