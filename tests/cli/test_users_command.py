"""`tidegate user` and `tidegate token` over a data folder."""

from __future__ import annotations

import json
import signal
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from support.command_line import Place
from support.signing_in import PASSWORD, ROOT, basic, bearer


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def piped(place: Place, text: str, *arguments: str, code: int = 0) -> str:
    """What a command says that reads from standard input."""
    with place.start(*arguments) as process:
        out, err = process.communicate(text, timeout=50)
    assert process.returncode == code, out + err
    assert "Traceback" not in out + err
    return out + err


def test_the_first_user_is_admin_and_others_get_roles(place: Place) -> None:
    assert "asks nobody" in place.call("user", "list")
    assert "ADMIN of all namespaces" in piped(place, f"{PASSWORD}\n", "user", "add", ROOT)
    shown = json.loads(piped(place, PASSWORD, "user", "add", "ann", "--role", "editor", "-n", "shop", "--json"))
    assert (shown["username"], shown["roles"], shown["hasPassword"]) == ("ann", {"shop": "EDITOR"}, True)
    told = place.call("user", "role", "ann", "VIEWER", "-n", "attic")
    assert told == "ann: VIEWER of attic, EDITOR of shop\n"
    place.call("user", "role", "ann", "NOBODY", "-n", "shop")
    listed = json.loads(place.call("user", "list", "--json"))
    assert [(one["username"], one["roles"]) for one in listed] == [
        ("ann", {"attic": "VIEWER"}),
        (ROOT, {"": "ADMIN"}),
    ]
    assert "only ADMIN" in place.call("user", "remove", ROOT, code=2)
    place.call("user", "remove", "ann")
    assert "does not exist" in place.call("user", "remove", "ann", code=2)
    noted = json.loads(place.call("audit", "list", "--json"))
    assert [(one["method"], one["resource"], one["id"], one["namespace"]) for one in noted] == [
        ("CLI", "tidegate user remove", "ann", ""),
        ("CLI", "tidegate user role", "ann", "shop"),
        ("CLI", "tidegate user role", "ann", "attic"),
        ("CLI", "tidegate user add", "ann", "shop"),
        ("CLI", "tidegate user add", ROOT, ""),
    ]
    assert PASSWORD not in str(noted)


def test_mistakes_are_told_in_a_sentence(place: Place) -> None:
    assert "one upper" in piped(place, "weak", "user", "add", ROOT, code=2)
    assert "'KING' is not a role" in piped(place, PASSWORD, "user", "add", ROOT, "--role", "KING", code=2)
    assert "user's name" in piped(place, PASSWORD, "user", "add", "no spaces", code=2)
    piped(place, PASSWORD, "user", "add", ROOT)
    assert "already" in piped(place, PASSWORD, "user", "add", ROOT.upper(), code=2)
    assert "does not exist" in piped(place, PASSWORD, "user", "password", "eve", code=2)
    assert "--expires" in place.call("token", "add", ROOT, "ci", "--expires", "soon", code=2)
    assert "does not exist" in place.call("token", "add", "eve", "ci", code=2)


def ask(url: str, headers: dict[str, str]) -> Any:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_server_that_others_reach_asks_who_they_are(place: Place) -> None:
    piped(place, PASSWORD, "user", "add", ROOT)
    token = place.call("token", "add", ROOT, "ci").strip()
    with place.start("serve", "--host", "0.0.0.0", "--port", "0") as server:
        assert server.stdout is not None
        url = f"{server.stdout.readline().split()[-1].replace('0.0.0.0', '127.0.0.1')}/api/v1/me"
        assert ask(url, {}) == 401
        assert ask(url, basic())["username"] == ROOT
        assert ask(url, bearer(token))["username"] == ROOT
        # Seen by the server that is running.
        assert token not in place.call("token", "list", "--json")
        place.call("token", "remove", ROOT, "ci")
        while ask(url, bearer(token)) != 401:
            pass
        request = urllib.request.Request(f"{url}/api-tokens/nix", method="DELETE", headers=basic())
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(request, timeout=20)
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0
    noted = json.loads(place.call("audit", "list", "--user", ROOT, "--json"))
    assert [(one["method"], one["id"], one["status"]) for one in noted] == [("DELETE", "nix", 404)]
    assert "DELETE /me/api-tokens/{id}" in place.call("audit", "list", "--limit", "1")


def test_the_user_of_the_settings_is_made_at_the_start(place: Place) -> None:
    named = {"TIDEGATE_SERVER__BASIC_AUTH__USERNAME": ROOT, "TIDEGATE_SERVER__BASIC_AUTH__PASSWORD": PASSWORD}
    for password in (PASSWORD, "Other!1234"):
        named["TIDEGATE_SERVER__BASIC_AUTH__PASSWORD"] = password
        with place.start("serve", "--port", "0", **named) as server:
            assert server.stdout is not None
            url = f"{server.stdout.readline().split()[-1]}/api/v1/me"
            assert ask(url, basic(password=password))["roles"] == {"": "ADMIN"}
            server.send_signal(signal.SIGTERM)
            assert server.wait(20) == 0
