"""The systemd unit and the Dockerfile fit the program: options, settings, folders, times."""

from __future__ import annotations

import re
import tomllib
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import typer

from engine.cli.app import build
from engine.settings import RESERVED, Settings, load_settings

ROOT = Path(__file__).parents[2]


def unit() -> ConfigParser:
    parser = ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment]
    parser.read(ROOT / "conf" / "tidegate.service")
    return parser


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions in order."""
    text = re.sub(r"\\\n\s*", " ", (ROOT / "conf" / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines)]


def understood(arguments: list[str]) -> dict[str, Any]:
    """The options that a command line gives; a wrong one is refused by the parser itself."""
    group: Any = typer.main.get_command(build("serve"))
    assert arguments[0] == "serve"
    command = group.commands["serve"]
    # The settings file of the unit lies on no machine yet.
    without_files = [argument for argument in arguments[1:] if argument != "--config" and argument[0] != "/"]
    with command.make_context("serve", without_files) as context:
        return dict(context.params)


def settings_of(environment: dict[str, str]) -> Settings:
    given = {name: value for name, value in environment.items() if name.startswith("TIDEGATE_")}
    assert all("__" in name or name in RESERVED for name in given)
    return load_settings(None, given)


def test_the_unit_starts_the_server_with_options_that_it_has() -> None:
    service = unit()["Service"]
    program, *arguments = service["ExecStart"].split()
    assert program.endswith("/bin/tidegate")
    assert understood(arguments)["log_format"] == "json"
    name, _, value = service["Environment"].partition("=")
    assert name in RESERVED
    assert value == f"/var/lib/{service['StateDirectory']}"


def test_the_unit_waits_as_long_as_an_end_may_take() -> None:
    settings = Settings()
    needed = settings.server.shutdown_seconds + settings.worker.shutdown_seconds + settings.worker.grace_seconds
    assert int(unit()["Service"]["TimeoutStopSec"]) > needed


def test_the_image_copies_what_there_is_and_all_that_the_wheel_needs() -> None:
    copies = [rest.split() for name, rest in instructions() if name == "COPY" and "--from" not in rest]
    copied = {part for *parts, _ in copies for part in parts}
    assert all((ROOT / part).exists() for part in copied)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert copied >= {*packages, project["project"]["readme"], "LICENSE", "pyproject.toml"}


def test_the_image_runs_the_server_as_a_user_on_the_port_it_names() -> None:
    last = dict(instructions())
    assert last["USER"] not in ("root", "0")
    assert last["ENTRYPOINT"] == '["tidegate"]'
    arguments = re.findall(r'"([^"]+)"', last["CMD"])
    assert understood(arguments)["host"] == "0.0.0.0"
    assert int(last["EXPOSE"]) == Settings().server.port
    assert f":{last['EXPOSE']}/health/readiness" in last["HEALTHCHECK"]
    environment = dict(re.findall(r"(\w+)=(\S+)", last["ENV"]))
    assert settings_of(environment).observe.log_format == "json"
    assert environment["TIDEGATE_DATA"] == last["VOLUME"]


def test_the_image_has_a_python_that_the_program_takes() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    lowest = tuple(int(part) for part in wanted.removeprefix(">=").split("."))
    versions = [
        re.search(r"python:(\d+)\.(\d+)", rest) for instruction, rest in instructions() if instruction == "FROM"
    ]
    assert all(found and (int(found[1]), int(found[2])) >= lowest for found in versions)
