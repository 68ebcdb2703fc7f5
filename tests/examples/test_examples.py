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
from collections import defaultdict
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

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


def averages() -> list[dict[str, object]]:
    """Average price by brand, highest first, worked out without SQL."""
    prices: dict[str, list[float]] = defaultdict(list)
    for product in PRODUCTS:
        prices[product["brand"]].append(product["price"])
    found = [{"brand": brand, "avg_price": round(sum(all) / len(all), 2)} for brand, all in prices.items()]
    return sorted(found, key=lambda row: (-float(str(row["avg_price"])), row["brand"]))
