"""The installed plugins over the API."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from aiohttp import ClientSession

from engine import __version__
from engine.definition.check_path import flow_files

PLUGINS = "/api/v1/plugins"
EXAMPLES = flow_files(Path(__file__).parents[2] / "conf" / "examples")


async def get(client: ClientSession, path: str) -> Any:
    async with client.get(path) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def test_types_are_listed_by_their_fronts(client: ClientSession) -> None:
    page = await get(client, f"{PLUGINS}?size=100")
    fronts = {front["name"]: front for front in page["results"]}
    assert page["total"] == len(fronts)
    assert fronts["core.log"]["group"] == "io.kestra.plugin.core.log"
    assert "io.kestra.plugin.core.log.Log" in [it["cls"] for it in fronts["core.log"]["tasks"]]
    assert "io.kestra.plugin.core.trigger.Schedule" in [it["cls"] for it in fronts["core.trigger"]["triggers"]]
    assert fronts["core.condition"]["conditions"]
    assert [it["cls"] for it in fronts["core.runner"]["taskRunners"]]
    assert await get(client, f"{PLUGINS}/groups/subgroups") == await get(client, f"{PLUGINS}/groups") == page["results"]
    triggers = [it["cls"] for it in await get(client, f"{PLUGINS}/triggers")]
    assert "io.kestra.plugin.core.trigger.Flow" in triggers
    assert len((await get(client, f"{PLUGINS}?size=2&sort=name:desc"))["results"]) == 2


async def test_a_type_is_documented_by_any_of_its_names(client: ClientSession) -> None:
    for name in ("core.log.Log", "io.kestra.plugin.core.log.Log", "io.kestra.core.tasks.log.Log"):
        documentation = await get(client, f"{PLUGINS}/{name}")
        assert documentation["markdown"].startswith("# core.log.Log\n")
        assert "`message`" in documentation["markdown"]
        assert documentation["schema"]["properties"]["properties"]["message"]["$required"] is True
    outputs = (await get(client, f"{PLUGINS}/core.debug.Return"))["schema"]["outputs"]["properties"]
    assert "value" in outputs
    assert (await get(client, f"{PLUGINS}/core.log.Log/versions"))["versions"] == [__version__]
    await get(client, f"{PLUGINS}/core.log.Log/versions/{__version__}")
    for path in ("core.log.Nix", "core.log.Log/versions/0", "schemas/dashboard", "inputs/NIX", "icons/nix.Nix"):
        async with client.get(f"{PLUGINS}/{path}") as answer:
            assert answer.status == 404, path


async def test_an_editor_finds_mistakes_by_the_schema_of_a_flow(client: ClientSession) -> None:
    schema = await get(client, f"{PLUGINS}/schemas/flow")
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    assert EXAMPLES
    for file in EXAMPLES:
        assert not list(validator.iter_errors(yaml.safe_load(file.read_text(encoding="utf-8")))), file.name
    wrong = {"id": "f", "namespace": "n", "tasks": [{"id": "t", "type": "core.log.Log", "mesage": "x"}]}
    assert any("mesage" in error.message for error in validator.iter_errors(wrong))


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        ("task", {"id": "t", "type": "core.log.Log", "message": "x"}, {"id": "t", "type": "core.log.Log", "x": 1}),
        ("trigger", {"id": "t", "type": "core.trigger.Schedule", "cron": "@daily"}, {"id": "t"}),
        ("plugindefault", {"type": "core.log", "values": {"level": "WARN"}}, {"kind": "core.log"}),
        ("input", {"id": "a", "type": "STRING"}, {"id": "a", "type": "NIX"}),
    ],
)
async def test_parts_of_a_flow_have_schemas(client: ClientSession, kind: str, right: Any, wrong: Any) -> None:
    one = jsonschema.Draft7Validator(await get(client, f"{PLUGINS}/schemas/{kind}"))
    several = jsonschema.Draft7Validator(await get(client, f"{PLUGINS}/schemas/{kind}?arrayOf=true"))
    assert one.is_valid(right)
    assert several.is_valid([right])
    assert not one.is_valid(wrong)
    assert not several.is_valid([wrong])
    assert "id" in (await get(client, f"{PLUGINS}/properties/{kind}"))["properties"] or kind == "plugindefault"


async def test_types_of_inputs_have_schemas(client: ClientSession) -> None:
    types = await get(client, f"{PLUGINS}/inputs")
    assert {"type": "STRING", "cls": "io.kestra.core.models.flows.input.StringInput"} in types
    for it in types:
        schema = await get(client, f"{PLUGINS}/inputs/{it['type']}")
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["properties"]["type"] == {"const": it["type"]}
    assert "validator" in (await get(client, f"{PLUGINS}/inputs/string"))["properties"]
    assert "validator" not in (await get(client, f"{PLUGINS}/inputs/INT"))["properties"]


async def test_types_have_icons(client: ClientSession) -> None:
    icons = await get(client, f"{PLUGINS}/icons")
    parallel = icons["io.kestra.plugin.core.flow.Parallel"]
    assert parallel["flowable"] is True
    assert b64decode(parallel["icon"]).startswith(b"<svg")
    assert await get(client, f"{PLUGINS}/icons/core.flow.Parallel") == parallel
    assert "io.kestra.plugin.core.flow" in await get(client, f"{PLUGINS}/icons/groups")
    async with client.get(f"{PLUGINS}/icons/core.flow.Parallel/icon.svg") as answer:
        assert (answer.content_type, await answer.text()) == ("image/svg+xml", b64decode(parallel["icon"]).decode())


async def test_templates_have_filters_and_functions(client: ClientSession) -> None:
    assert "upper" in await get(client, "/api/v1/pebble/filters")
    assert {"kv", "secret"} <= set(await get(client, "/api/v1/pebble/functions"))
