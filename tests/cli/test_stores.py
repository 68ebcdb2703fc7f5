"""Commands about keys, secrets and namespace files."""

from __future__ import annotations

import io
import json
import stat
from pathlib import Path

import pytest

from engine.cli import app

SECRET = "correct-horse-battery"
FLOW = """
id: reads
namespace: shop.team
tasks:
  - {id: t, type: core.debug.Return, format: "{{ kv('limit') + 1 }} {{ read('sql/top.sql') }} {{ secret('TOKEN') | length }}"}
"""  # noqa: E501


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "data"
    monkeypatch.setenv("TIDEGATE_DATA", str(folder))
    monkeypatch.setenv("COLUMNS", "200")
    return folder


class Calls:
    """Runs commands and hands back what they print."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capfd = capfd

    def __call__(self, *arguments: str, code: int = 0, given: str = "") -> str:
        self._monkeypatch.setattr("sys.stdin", io.StringIO(given))
        returned = app.run_app(list(arguments))
        out, err = self._capfd.readouterr()
        assert returned == code, out + err
        return out if code == 0 else err


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Calls:
    return Calls(monkeypatch, capfd)


def test_keys_are_set_shown_and_deleted(call: Calls, tmp_path: Path) -> None:
    file = tmp_path / "value.json"
    file.write_text('{"a": [1]}')
    call("kv", "set", "shop", "limit", "42", "--description", "how much")
    call("kv", "set", "shop", "code", "42", "--type", "string", "--ttl", "P1D")
    call("kv", "set", "shop", "map", "--file", str(file))
    call("kv", "set", "shop", "day", "2024-01-31")
    call("kv", "set", "attic", "moment", "2024-01-31T10:00:00Z")
    call("kv", "set", "attic", "piped", "-", given="two words")
    assert call("kv", "get", "shop", "limit") == "42\n"
    assert call("kv", "get", "attic", "piped") == "two words\n"
    assert json.loads(call("kv", "get", "shop", "map")) == {"a": [1]}
    listed = json.loads(call("kv", "list", "--json"))
    assert [(entry["namespace"], entry["key"], entry["type"]) for entry in listed] == [
        ("attic", "moment", "DATETIME"),
        ("attic", "piped", "STRING"),
        ("shop", "code", "STRING"),
        ("shop", "day", "DATE"),
        ("shop", "limit", "NUMBER"),
        ("shop", "map", "JSON"),
    ]
    assert [entry["key"] for entry in listed if entry["expirationDate"]] == ["code"]
    assert "limit" in call("kv", "list", "shop", "--prefix", "li")
    call("kv", "delete", "shop", "limit")
    assert "key 'limit' does not exist" in call("kv", "get", "shop", "limit", code=2)
    assert "key 'limit' does not exist" in call("kv", "delete", "shop", "limit", code=2)
    assert "No keys." in call("kv", "list", "nowhere")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("shop", "-k", "1"), "No such option"),
        (("shop", "_k", "1"), "Key must start with"),
        (("a/b", "k", "1"), "is not a namespace"),
        (("shop", "k"), "give the value itself or --file"),
        (("shop", "k", "x", "--type", "number"), "The value is no NUMBER"),
        (("shop", "k", "x", "--type", "wrong"), "The type of a value is one of"),
        (("shop", "k", "x", "--ttl", "1h"), "--ttl: must be a duration"),
        (("shop", "k", "x", "--ttl", "PT0S"), "--ttl: must be longer"),
    ],
)
def test_a_mistake_about_a_key_is_named(call: Calls, arguments: tuple[str, ...], said: str) -> None:
    assert said in call("kv", "set", *arguments, code=2)


def test_a_secret_is_stored_and_never_shown(call: Calls, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "No secrets" in call("secret", "list")
    assert "The key was made" in call("secret", "init")
    assert stat.S_IMODE((data / "key").stat().st_mode) == 0o600
    assert "There is a key already" in call("secret", "init")
    printed = call("secret", "set", "token", given=f"{SECRET}\n")
    printed += call("secret", "set", "token", "-n", "shop", "--description", "of the till", given=SECRET)
    monkeypatch.setenv("SECRET_GIVEN", "eA==")
    printed += call("secret", "list")
    assert "of the till" in printed
    listed = json.loads(call("secret", "list", "--json"))
    assert [(one["key"], one["source"], one.get("namespace")) for one in listed] == [
        ("GIVEN", "environment", None),
        ("TOKEN", "stored", ""),
        ("TOKEN", "stored", "shop"),
    ]
    assert SECRET not in printed
    assert SECRET.encode() not in b"".join(file.read_bytes() for file in data.rglob("*") if file.is_file())
    call("secret", "delete", "token", "-n", "shop")
    assert "secret 'token' does not exist" in call("secret", "delete", "token", "-n", "shop", code=2)
    assert "would be empty" in call("secret", "set", "token", given="\n", code=2)


def test_namespace_files_are_put_listed_got_and_deleted(call: Calls, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    (folder / "sql").mkdir(parents=True)
    (folder / "sql" / "top.sql").write_text("select 1")
    (folder / ".hidden").write_text("no")
    assert call("namespace", "files", "put", "shop.team", str(folder)) == "/sql/top.sql\n"
    assert call("namespace", "files", "put", "shop.team", str(folder / "sql" / "top.sql"), "old/") == "/old/top.sql\n"
    assert call("namespace", "files", "put", "shop.team", str(folder / "sql" / "top.sql"), "a.sql") == "/a.sql\n"
    listed = json.loads(call("namespace", "files", "list", "shop.team", "--json"))
    assert [file["path"] for file in listed] == ["/a.sql", "/old/top.sql", "/sql/top.sql"]
    assert "/old/top.sql" not in call("namespace", "files", "list", "shop.team", "sql/**")
    assert call("namespace", "files", "get", "shop.team", "sql/top.sql") == "select 1"
    call("namespace", "files", "get", "shop.team", "/sql/top.sql", "-o", str(tmp_path / "got.sql"))
    assert (tmp_path / "got.sql").read_text() == "select 1"
    call("namespace", "files", "delete", "shop.team", "old")
    assert "does not exist" in call("namespace", "files", "delete", "shop.team", "old", code=2)
    assert "without '..'" in call("namespace", "files", "get", "shop.team", "../x", code=1)
    assert "No files." in call("namespace", "files", "list", "shop")


def test_flows_see_what_commands_stored(call: Calls, tmp_path: Path) -> None:
    flow = tmp_path / "flow.yaml"
    flow.write_text(FLOW)
    file = tmp_path / "top.sql"
    file.write_text("select 1")
    call("kv", "set", "shop", "limit", "41")
    call("secret", "set", "TOKEN", given=SECRET)
    call("namespace", "files", "put", "shop.team", str(file), "sql/top.sql")
    call("run", str(flow))
    assert json.loads(call("execution", "outputs", "last", "--json"))["tasks"]["t"] == {
        "value": f"42 select 1 {len(SECRET)}"
    }


def test_older_contents_of_a_namespace_file(call: Calls, tmp_path: Path) -> None:
    file = tmp_path / "top.sql"
    for text in ("select 1", "select 22"):
        file.write_text(text)
        call("namespace", "files", "put", "shop", str(file), "sql/")
    listed = json.loads(call("namespace", "files", "revisions", "shop", "sql/top.sql", "--json"))
    assert [(it["revision"], it["size"]) for it in listed] == [(2, 9), (1, 8)]
    assert "revision" in call("namespace", "files", "revisions", "shop", "sql/top.sql")
    target = tmp_path / "old.sql"
    call("namespace", "files", "get", "shop", "sql/top.sql", "--revision", "1", "--output", str(target))
    assert target.read_text() == "select 1"
    said = call("namespace", "files", "get", "shop", "sql/top.sql", "--revision", "7", code=2)
    assert "revision '7' does not exist" in said


def test_earlier_values_of_a_key(call: Calls) -> None:
    call("kv", "set", "shop", "limit", "1", "--description", "how much")
    call("kv", "set", "shop", "limit", "two")
    assert call("kv", "get", "shop", "limit") == "two\n"
    assert call("kv", "get", "shop", "limit", "--revision", "1") == "1\n"
    listed = json.loads(call("kv", "revisions", "shop", "limit", "--json"))
    assert [(it["revision"], it["value"], it["description"]) for it in listed] == [
        (2, "two", "how much"),
        (1, 1, "how much"),
    ]
    assert "two" in call("kv", "revisions", "shop", "limit")
    assert "revision '3' does not exist" in call("kv", "get", "shop", "limit", "--revision", "3", code=2)
    assert "key 'none' does not exist" in call("kv", "revisions", "shop", "none", code=2)
