"""What the settings and the environment give to templates."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.runtime.engine import open_engine
from engine.settings import load_settings
from support.running import run, runs_of


async def test_templates_see_globals_and_variables_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENV_STAGE", "test")
    file = tmp_path / "settings.yaml"
    file.write_text("variables: {globals: {host: tide, ports: {http: 80}}}\n")
    async with open_engine(tmp_path / "data", load_settings(file, {})) as engine:
        record = await run(
            engine,
            """
id: global
namespace: test
inputs: [{id: host, type: STRING, defaults: "{{ globals.host }}"}]
tasks:
  - {id: t, type: core.debug.Return, format: "{{ globals.host }}:{{ globals.ports.http }} {{ envs.stage }}"}
  - {id: none, type: core.debug.Return, format: "{{ globals.none ?? inputs.host }}"}
""",
        )
    assert runs_of(record, "t")[0].outputs == {"value": "tide:80 test"}
    assert runs_of(record, "none")[0].outputs == {"value": "tide"}
