"""conf/default.yaml shows every setting with its default."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import yaml

from engine.errors import Refused
from engine.settings import Settings, load_settings

FILE = Path(__file__).parents[2] / "conf" / "default.yaml"


def test_the_file_holds_every_setting_with_its_default() -> None:
    assert yaml.safe_load(FILE.read_text()) == msgspec.json.decode(msgspec.json.encode(Settings()))


def test_the_file_can_be_loaded_as_it_is() -> None:
    assert load_settings(FILE, {}) == Settings()


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("worker: {concurrency: 3, threads: 4}\n")
    settings = load_settings(file, {"TIDEGATE_WORKER__CONCURRENCY": "8", "TIDEGATE_PROCESS__INHERIT": "[A, B]"})
    assert (settings.worker.concurrency, settings.worker.threads) == (8, 4)
    assert settings.process.inherit == ("A", "B")


def test_names_may_be_written_with_dashes(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("server: {basic-auth: {username: a@b}, oidc: {client-id: c}}\ndialects: {my-space: 1}\n")
    settings = load_settings(file, {"TIDEGATE_SERVER__BASIC_AUTH__PASSWORD": "x"})
    assert (settings.server.basic_auth.username, settings.server.basic_auth.password) == ("a@b", "x")
    assert (settings.server.oidc.client_id, settings.dialects) == ("c", {"my-space": 1})


@pytest.mark.parametrize(
    ("text", "named"),
    [("worker: {concurrancy: 3}", "concurrancy"), ("worker: {threads: many}", "threads"), ("- a", "map of groups")],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(text)
    with pytest.raises(Refused, match=named):
        load_settings(file, {})
