"""The table of expressions, each case rendered by the real renderer with what its setup says."""

from __future__ import annotations

import base64
import datetime
import json
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from conformance import tables, template_flows
from engine.clock import ManualClock
from engine.errors import ExpressionError
from engine.expressions.needs import Missing, Need
from engine.expressions.numbers import Float32
from engine.files.disk import DiskStorage
from engine.files.local import LocalFiles
from engine.ids import ExecutionId
from engine.runtime.engine import open_engine
from engine.runtime.keeping.keys import Keys
from engine.runtime.keeping.namespaces import NamespaceFiles
from engine.runtime.keeping.outputs import revive
from engine.runtime.keeping.revisions import Revisions
from engine.runtime.keeping.secrets import Secrets
from engine.runtime.keeping.vault import Vault
from engine.runtime.rendering.lookups import LookUps
from engine.runtime.rendering.renderer import Renderer
from engine.runtime.rendering.sources import Sources
from engine.settings import Expressions, Settings
from engine.state.execution import Change, Execution
from engine.state.status import Status
from engine.store.open import open_store
from engine.store.protocols import Store
from engine.store.rows import LogLine
from support.http_stub import HttpStub

TABLE = tables.table("expressions")
NAMES = re.compile(r"\b(\w+)\(")
KNOWN = frozenset(
    name for case in TABLE.counted if "error" not in case for name in NAMES.findall(str(case["template"]))
)
LACKING = re.compile(r"The \w+ '(\w+)' does not exist|(\w+)\(\) is not available here")


class State(Enum):
    """Stands for the enums of the peer's engine."""

    SUCCESS = "SUCCESS"
    FAILED = "FAILED"


CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "datetime": datetime.datetime.fromisoformat,
    "instant": lambda text: datetime.datetime.fromisoformat(text).astimezone(datetime.UTC),
    "legacy_date": lambda text: datetime.datetime.fromisoformat(text).astimezone(datetime.UTC),
    "local_datetime": datetime.datetime.fromisoformat,
    "float32": Float32,
    "decimal": lambda number: Decimal(repr(number)),
    "set": set,
    "enum": State,
}
"""Types that JSON does not have; the others of the table need no conversion."""


@pytest.mark.parametrize("case", TABLE.counted, ids=lambda case: case["id"])
async def test_case(case: tables.Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pending = TABLE.pending_reason(case)
    if "local_files" in case.get("setup", {}):
        case = json.loads(json.dumps(case).replace("/tmp/", f"{tmp_path}/").replace('"/tmp"', f'"{tmp_path}"'))
    problem = await _problem(case, tmp_path, monkeypatch)
    if pending is not None:
        if problem:
            pytest.xfail(pending)
        pytest.fail(f"{case['id']} passes and is no longer pending", pytrace=False)
    if problem:
        pytest.fail(f"{case['template']!r}\n{problem}", pytrace=False)


async def _problem(case: tables.Case, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is wrong with the outcome of a case; empty when nothing is."""
    async with HttpStub(case.get("setup", {}).get("http", ())), open_store(folder, Settings()) as store:
        try:
            result = await _rendered(case, folder, store, monkeypatch)
        except ExpressionError as error:
            return _wrong_error(case, str(error))
    return _wrong_result(case, result)


async def _rendered(case: tables.Case, folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> Any:
    variables = _variables(case)
    template = case["template"]
    typed = ("typed" in case and "expect" not in case) or case.get("config", {}).get("typed", False)
    if "flow" in case.get("needs", ()):
        return await _rendered_in_engine(case, variables, folder / "engine")
    answers = await _answers(case, variables, folder, store, monkeypatch)
    if "encrypt" in case.get("setup", {}):
        variables = _encrypted(case, variables, Vault(folder / "key"))
    async with Renderer(_limits(case), datetime.UTC) as renderer:
        return await renderer.render(
            template, variables, typed=typed and isinstance(template, str), look_up=answers, masks=set()
        )


async def _rendered_in_engine(case: tables.Case, variables: dict[str, Any], folder: Path) -> Any:
    """What a template gives that runs flows."""
    async with open_engine(folder, Settings()) as engine:
        for id, described in case.get("setup", {}).get("flows", {}).items():
            for source in template_flows.sources(id, described):
                await engine.control.save_flow(source)
        answers = engine.control.look_ups.for_execution(_execution(variables), variables)
        try:
            return await engine.renderer.render(case["template"], variables, look_up=answers)
        except ExpressionError as error:
            # Raised inside the engine's task groups it would come out in a group.
            problem = error
    raise problem


def _limits(case: tables.Case) -> Expressions:
    config = case.get("config", {})
    return Expressions(
        recursive=config.get("recursive_rendering", False),
        output_bytes=config.get("max_output_size", Expressions().output_bytes),
        seconds=config.get("regex_timeout_ms", 5000) / 1000,
    )


def _variables(case: tables.Case) -> dict[str, Any]:
    variables: dict[str, Any] = json.loads(json.dumps(case.get("variables") or {}))
    for path, kind in case.get("var_types", {}).items():
        convert = CONVERSIONS.get(kind)
        if convert is None:
            continue
        *above, last = [int(key) if key.isdecimal() else key for key in path.split(".")]
        place: Any = variables
        for key in above:
            place = place[key]
        place[last] = convert(place[last])
    return variables


def _encrypted(case: tables.Case, variables: dict[str, Any], vault: Vault) -> dict[str, Any]:
    """The variables as they are stored, with the texts that the case wants encrypted."""
    for path, text in case.get("setup", {}).get("encrypt", {}).items():
        variables[path.removesuffix(".value")] = vault.seal(text)
    return revive(variables)


class _Logs:
    """The log lines of a case."""

    def __init__(self, lines: Sequence[dict[str, Any]]) -> None:
        self._lines = lines

    async def lines(self, execution: ExecutionId, *, levels: Sequence[str] = (), **_: Any) -> list[tuple[int, LogLine]]:
        return [
            (at, LogLine(at, line["level"], line["message"], "n", "f", execution))
            for at, line in enumerate(self._lines)
            if line["execution"] == execution and line["level"] in levels
        ]


class _Answers:
    """The engine's own look-ups, without the secrets of the machine that the tests run on."""

    def __init__(self, setup: dict[str, Any], real: Any) -> None:
        self._setup = setup
        self._real = real

    async def __call__(self, need: Need) -> Any:
        if need.kind == "secret" and need.arguments[0] not in self._setup.get("secrets", {}):
            return Missing(f"Cannot find secret for key '{need.arguments[0]}'.")
        return await self._real(need)


async def _answers(
    case: tables.Case, variables: dict[str, Any], folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> _Answers:
    setup = case.get("setup", {})
    storage = DiskStorage(folder / "files")
    for file in setup.get("files", ()):
        await storage.put(file["uri"], file["content"].encode())
    for file in setup.get("local_files", ()):
        Path(file["path"]).write_text(file["content"])
    for file in setup.get("namespace_files", ()):
        namespaces = NamespaceFiles(storage, store.flows, Revisions(storage, 10))
        for version in file.get("versions", (file,)):
            await namespaces.put(file["namespace"], file["path"], version["content"].encode())
            if version.get("deleted"):
                await namespaces.delete(file["namespace"], file["path"])
    vault, clock = Vault(folder / "key"), ManualClock()
    keys = Keys(store.kv, store.flows, storage, vault, clock)
    for entry in setup.get("kv", ()):
        await keys.set(entry["namespace"], entry["key"], entry["value"])
    for key, value in setup.get("secrets", {}).items():
        text = value if isinstance(value, str) else json.dumps(value)
        monkeypatch.setenv(f"SECRET_{key.upper()}", base64.b64encode(text.encode()).decode())
    logs: Any = _Logs(setup.get("logs", ()))
    look_ups = LookUps(Sources(storage, _local(case)), logs, vault, keys, Secrets(store.secrets, vault, clock))
    return _Answers(setup, look_ups.for_execution(_execution(variables), variables))


def _execution(variables: dict[str, Any]) -> Execution:
    flow = variables.get("flow", {})
    return Execution(
        id=ExecutionId(variables.get("execution", {}).get("id", "none")),
        namespace=flow.get("namespace", "none"),
        flow=flow.get("id", "none"),
        revision=1,
        history=(Change(Status.CREATED, 0),),
    )


def _local(case: tables.Case) -> LocalFiles:
    config = case.get("config", {})
    return LocalFiles(config.get("allowed_local_paths", ()) if config.get("enable_local_file_functions", True) else ())


def _wrong_error(case: tables.Case, message: str) -> str:
    if not case.get("error"):
        return f"failed with: {message}"
    if (lacking := LACKING.search(message)) and (lacking.group(2) or lacking.group(1) in KNOWN):
        return f"failed for want of something that other cases use: {message}"
    wanted = case.get("error_contains", "")
    return "" if wanted in message else f"failed with: {message}\nbut should with: {wanted}"


def _wrong_result(case: tables.Case, result: Any) -> str:
    if case.get("error"):
        return f"gave {result!r} but should fail"
    if "expect" in case and result != case["expect"]:
        return f"gave {result!r}\nbut should {case['expect']!r}"
    if "pattern" in case and not re.search(case["pattern"], result):
        return f"gave {result!r}\nwhich does not match {case['pattern']!r}"
    if "typed" in case:
        value = json.loads(result) if "expect" in case else result
        if not _same(value, case["typed"]):
            return f"gave {result!r}\nbut should the value {case['typed']!r}"
    if "expect_json" in case and json.loads(result) != case["expect_json"]:
        return f"gave {result!r}\nbut should {case['expect_json']!r} in any order"
    return ""


def _same(value: Any, wanted: Any) -> bool:
    """Equal, and of the same type where that matters: `1` is neither `true` nor `"1"`."""
    if isinstance(value, Decimal):
        value = float(value)
    return value == wanted and isinstance(value, bool) == isinstance(wanted, bool)
