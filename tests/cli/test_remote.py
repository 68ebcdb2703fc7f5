"""Commands against a server: the same words as on a data folder."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from engine.runtime.engine import open_engine
from engine.settings import Settings
from engine.state.user import EVERYWHERE, Role
from support.command_line import Place
from support.signing_in import PASSWORD, ROOT

GREET = """
id: greet
namespace: team
inputs:
  - {id: who, type: STRING, defaults: world}
  - {id: file, type: FILE, required: false}
tasks:
  - {id: hello, type: core.debug.Return, format: "hello {{ inputs.who }}"}
  - {id: write, type: core.storage.Write, content: "{{ outputs.hello.value }}", extension: .txt}
  - {id: say, type: core.log.Log, message: "{{ outputs.hello.value }}"}
"""
FAILS = "id: fails\nnamespace: team\ntasks: [{id: no, type: core.execution.Fail}]\n"
WAITS = """
id: waits
namespace: team
tasks:
  - {id: wait, type: core.flow.Pause}
  - {id: done, type: core.log.Log, message: it went on}
"""

# Each command is a process of its own, and a busy machine starts them slowly.
pytestmark = pytest.mark.timeout(240)


class Remote(Place):
    """A person's machine without a data folder of its own, whose commands go to a server."""

    def __init__(self, folder: Path, server: str) -> None:
        super().__init__(folder)
        self.server = server

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        given = {name: value for name, value in os.environ.items() if not name.startswith("TIDEGATE_")}
        return subprocess.Popen(
            [sys.executable, "-m", "engine", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**given, "HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder / "config"), "COLUMNS": "200"}
            | environment,
        )

    def say(self, text: str, *arguments: str, code: int = 0) -> str:
        """A command that reads a text from standard input."""
        with self.start(*arguments) as process:
            out, err = process.communicate(text, timeout=50)
        assert process.returncode == code, out + err
        return out + err

    @property
    def contexts(self) -> Path:
        return self.folder / "config" / "tidegate" / "contexts.json"


@pytest.fixture
async def remote(tmp_path: Path) -> AsyncIterator[Remote]:
    """A server that asks everybody who he is, and somebody who has signed in."""
    async with open_engine(tmp_path / "data", Settings()) as engine:
        await engine.users.add(ROOT, PASSWORD, {EVERYWHERE: Role.ADMIN})
    with serving(Place(tmp_path)) as url:
        remote = Remote(tmp_path / "person", url)
        remote.folder.mkdir()
        remote.say(f"{PASSWORD}\n", "login", url, "--user", ROOT, "--name", "there")
        yield remote
    assert not (tmp_path / "person" / ".local").exists()


class serving:  # noqa: N801
    """A server over a place, while the block is open."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def __enter__(self) -> str:
        self._server = self._place.start("serve", "--port", "0")
        assert self._server.stdout is not None
        return self._server.stdout.readline().split()[-1]

    def __exit__(self, *_: object) -> None:
        self._server.send_signal(signal.SIGTERM)
        self._server.communicate(timeout=40)


async def test_run_shows_the_execution_and_saves_its_files(remote: Remote) -> None:
    (remote.folder / "in.txt").write_text("given")
    shown = remote.call(
        "run",
        remote.flow(GREET),
        "-i",
        "who=tide",
        "-f",
        f"file={remote.folder / 'in.txt'}",
        "--save",
        str(remote.folder / "out"),
    )
    assert re.search(r"INFO +say +hello tide", shown)
    assert re.search(r"✓ SUCCESS +hello", shown)
    saved = {file.read_text() for file in (remote.folder / "out").rglob("*") if file.is_file()}
    assert saved == {"hello tide", "given"}
    assert remote.call("run", remote.flow(FAILS), code=1)
    assert "no input 'whom'" in remote.call("run", remote.flow(GREET), "-i", "whom=x", code=2)
    assert "Logg" in remote.call("run", remote.flow(GREET.replace("log.Log", "log.Logg"), "bad.yaml"), code=2)


async def test_executions_are_looked_at_and_acted_on(remote: Remote) -> None:
    remote.call("run", remote.flow(GREET), "-i", "who=tide", "-l", "team=blue")
    listed = json.loads(remote.call("execution", "list", "--json", "--label", "team=blue"))
    assert [(one["flow"], one["namespace"]) for one in listed] == [("greet", "team")]
    assert json.loads(remote.call("execution", "list", "--json", "--label", "team=red")) == []
    assert "SUCCESS" in remote.call("execution", "show", "last")
    assert "hello tide" in remote.call("execution", "logs", "last", "--task", "say")
    assert json.loads(remote.call("execution", "outputs", "last", "--json"))["tasks"]["hello"] == {
        "value": "hello tide"
    }
    id = listed[0]["id"]
    assert "SUCCESS" in remote.call("execution", "follow", id)
    remote.call("execution", "replay", id)
    assert len(json.loads(remote.call("execution", "list", "--json"))) == 2
    remote.call("run", remote.flow(FAILS, "fails.yaml"), code=1)
    remote.call("execution", "restart", "last", code=1)
    assert "2 executions would be deleted" in remote.call("execution", "delete", "--flow", "greet", code=2)
    assert "2 executions deleted" in remote.call("execution", "delete", "--flow", "greet", "--yes")
    assert [one["flow"] for one in json.loads(remote.call("execution", "list", "--json"))] == ["fails"]
    assert "does not exist" in remote.call("execution", "show", "nothing", code=2)


async def test_what_waits_is_followed_while_another_lets_it_go_on(remote: Remote) -> None:
    remote.call("flow", "apply", remote.flow(WAITS, "waits.yaml"), "--yes")
    with remote.start("run", str(remote.folder / "waits.yaml")) as runs:
        assert runs.stdout is not None
        id = runs.stdout.readline().split()[1]
        with remote.start("execution", "follow", id) as follows:
            while "PAUSED" not in remote.call("execution", "list", "--json"):
                pass
            assert "it went on" in remote.call("execution", "resume", id)
            out, _ = follows.communicate(timeout=40)
            assert "it went on" in out
            assert follows.returncode == 0
        out, _ = runs.communicate(timeout=40)
    assert "it went on" in out
    with remote.start("run", str(remote.folder / "waits.yaml")) as runs:
        assert runs.stdout is not None
        id = runs.stdout.readline().split()[1]
        assert "KILLED" in remote.call("execution", "kill", id)
        runs.communicate(timeout=40)
        assert runs.returncode == 130


async def test_a_folder_of_flows_is_applied_to_a_server(remote: Remote) -> None:
    (remote.folder / "flows").mkdir()
    remote.flow(GREET, "flows/greet.yaml")
    remote.flow(FAILS, "flows/fails.yaml")
    folder = str(remote.folder / "flows")
    assert "2 to create" in remote.call("flow", "apply", folder, "--yes")
    assert "2 unchanged" in remote.call("flow", "apply", folder, "--yes")
    remote.flow(GREET.replace("hello {{", "hi {{"), "flows/greet.yaml")
    assert "+  - {id: hello" in remote.call("flow", "diff", folder, code=1)
    (remote.folder / "flows" / "fails.yaml").unlink()
    remote.call("flow", "apply", folder, "--yes", "--prune")
    assert [one["id"] for one in json.loads(remote.call("flow", "list", "--json"))] == ["greet"]
    assert remote.call("flow", "show", "team.greet", "--revision", "1") == GREET
    remote.flow(GREET.replace("core.log.Log", "core.log.Logg"), "flows/greet.yaml")
    assert "greet.yaml:" in remote.call("flow", "apply", folder, "--yes", code=2)


async def test_keys_secrets_and_expressions_are_those_of_the_server(remote: Remote) -> None:
    remote.call("kv", "set", "team", "answer", "42", "--ttl", "PT1H", "--description", "of all")
    remote.call("kv", "set", "team", "name", "42", "--type", "STRING")
    remote.call("kv", "set", "team.below", "day", "2026-01-31")
    assert remote.call("kv", "get", "team", "answer") == "42\n"
    listed = json.loads(remote.call("kv", "list", "--json"))
    assert {one["key"]: (one["type"], one["value"]) for one in listed} == {
        "answer": ("NUMBER", 42),
        "name": ("STRING", "42"),
        "day": ("DATE", "2026-01-31"),
    }
    assert [one["description"] for one in listed if one["expirationDate"]] == ["of all"]
    remote.call("kv", "delete", "team", "answer")
    assert "does not exist" in remote.call("kv", "get", "team", "answer", code=2)
    remote.say("hush-hush", "secret", "set", "TOKEN", "-n", "team")
    assert "TOKEN" in remote.call("secret", "list")
    assert "say -n NAMESPACE" in remote.say("hush-hush", "secret", "set", "TOKEN", code=2)
    remote.call("run", remote.flow(GREET), "-i", "who=tide")
    assert remote.call("eval", "last", "{{ outputs.hello.value | upper }} {{ kv('name') }}") == "HELLO TIDE 42\n"
    assert remote.call("eval", "last", "{{ taskrun.id is defined }}", "--task", "say") == "true\n"
    assert "nothing" in remote.call("eval", "last", "{{ nothing }}", code=2)
    remote.call("secret", "delete", "TOKEN", "-n", "team")
    assert "does not exist" in remote.call("secret", "delete", "TOKEN", "-n", "team", code=2)


async def test_files_of_a_namespace_are_those_of_the_server(remote: Remote) -> None:
    (remote.folder / "sql" / "deep").mkdir(parents=True)
    (remote.folder / "sql" / "top.sql").write_text("select 1")
    (remote.folder / "sql" / "deep" / "low.sql").write_text("select 2")
    remote.call("namespace", "files", "put", "team", str(remote.folder / "sql"), "queries")
    listed = json.loads(remote.call("namespace", "files", "list", "team", "--json"))
    assert listed == [{"path": "/queries/deep/low.sql", "size": 8}, {"path": "/queries/top.sql", "size": 8}]
    assert len(json.loads(remote.call("namespace", "files", "list", "team", "**/low.sql", "--json"))) == 1
    (remote.folder / "sql" / "top.sql").write_text("select 10")
    remote.call("namespace", "files", "put", "team", str(remote.folder / "sql" / "top.sql"), "queries/top.sql")
    assert remote.call("namespace", "files", "get", "team", "queries/top.sql") == "select 10"
    assert remote.call("namespace", "files", "get", "team", "queries/top.sql", "--revision", "1") == "select 1"
    revisions = json.loads(remote.call("namespace", "files", "revisions", "team", "queries/top.sql", "--json"))
    assert sorted(one["size"] for one in revisions) == [8, 9]
    remote.call("namespace", "files", "delete", "team", "queries")
    assert json.loads(remote.call("namespace", "files", "list", "team", "--json")) == []
    assert "does not exist" in remote.call("namespace", "files", "delete", "team", "queries", code=2)


async def test_triggers_are_those_of_the_server(remote: Remote) -> None:
    nightly = "triggers: [{id: nightly, type: core.trigger.Schedule, cron: '0 3 * * *'}]\n"
    remote.call("flow", "apply", remote.flow(GREET + nightly), "--yes")
    (listed,) = json.loads(remote.call("trigger", "list", "--json"))
    assert (listed["flow"], listed["id"], listed["disabled"]) == ("greet", "nightly", False)
    assert "disabled" in remote.call("trigger", "disable", "team.greet.nightly")
    assert "disabled" in remote.call("trigger", "show", "team.greet.nightly")
    assert "enabled" in remote.call("trigger", "enable", "team.greet.nightly")
    assert json.loads(remote.call("trigger", "list", "-n", "other", "--json")) == []


async def test_contexts_are_kept_for_their_owner_alone(remote: Remote) -> None:
    assert remote.contexts.stat().st_mode & 0o777 == 0o600
    listed = json.loads(remote.call("context", "list", "--json"))
    assert listed == [{"name": "there", "server": remote.server, "user": ROOT, "current": True}]
    assert "tdg_" not in remote.call("context", "list")
    token = json.loads(remote.contexts.read_text())["contexts"]["there"]["token"]
    remote.call("context", "use", "local")
    assert remote.call("flow", "list", "--data", str(remote.folder / "own")) == "No flows.\n"
    remote.flow(GREET, "g.yaml")
    remote.call("flow", "apply", str(remote.folder / "g.yaml"), "--yes", "--server", "there")
    assert "team.greet" in remote.call("flow", "list", "--server", remote.server)
    remote.say(f"{token}\n", "login", remote.server, "--with-token", "--name", "again")
    assert "team.greet" in remote.call("flow", "list")
    remote.call("context", "delete", "again")
    assert "There is no context 'again'" in remote.call("context", "use", "again", code=2)
    remote.contexts.chmod(0o644)
    assert "chmod 600" in remote.call("context", "list", code=2)


async def test_who_is_not_known_or_answered_is_told(remote: Remote) -> None:
    told = remote.say("wrong\n", "login", remote.server, "--user", ROOT, code=2)
    assert "password is wrong" in told
    with remote.start("flow", "list", TIDEGATE_SERVER=remote.server, TIDEGATE_TOKEN="tdg_nothing") as process:
        _, err = process.communicate(timeout=40)
    assert (process.returncode, "does not know you" in err) == (2, True)
    told = remote.call("flow", "list", "--server", "http://127.0.0.1:9", code=1)
    assert told.rstrip().endswith("No server answers at http://127.0.0.1:9: connection refused")
    assert "give one of them" in remote.call("flow", "list", "--server", "there", "--data", "x", code=2)
    assert "--data" in remote.call("template", "list", code=2)
    assert "named by its URL" in remote.call("flow", "list", "--server", "ftp://there", code=2)


def complete(words: str) -> Iterator[str]:
    """What a shell would offer after these words."""
    environment = {"_TIDEGATE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    shown = subprocess.run(
        [sys.executable, "-m", "engine"], env={**os.environ, **environment}, capture_output=True, text=True, timeout=50
    )
    yield from shown.stdout.split()


def test_shells_complete_commands_and_options() -> None:
    assert list(complete("tidegate exec")) == ["execution"]
    assert "follow" in complete("tidegate execution fol")
    assert "--server" in complete("tidegate flow list --ser")
