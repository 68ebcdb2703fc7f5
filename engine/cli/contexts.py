"""The servers that this user's commands know, with a token for each, in a file that only he can read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from engine.errors import Refused


class Context(msgspec.Struct, frozen=True):
    """A server, and the token of the user there; none where the server asks nobody who he is."""

    server: str
    token: str | None = None
    user: str = ""


class Contexts(msgspec.Struct, frozen=True):
    """Contexts by name, and the one that commands use which name none."""

    contexts: dict[str, Context] = {}
    current: str | None = None

    def get(self, name: str) -> Context:
        """Raises Refused for one that is not there."""
        if name not in self.contexts:
            known = ", ".join(sorted(self.contexts)) or "none yet: `tidegate login URL` makes one"
            raise Refused(f"There is no context '{name}', but {known}")
        return self.contexts[name]

    def of_server(self, server: str) -> Context:
        """The context of a server, with its token where there is one."""
        return next((it for it in self.contexts.values() if it.server == server), Context(server))


def file_of(environment: Mapping[str, str] = os.environ) -> Path:
    base = environment.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "tidegate" / "contexts.json"


def load() -> Contexts:
    """What is stored. Raises Refused for a file that can't be understood, or that others may read."""
    file = file_of()
    try:
        if file.stat().st_mode & 0o077:
            raise Refused(f"Others may read {file}, which holds tokens: chmod 600 {file}")
        return msgspec.json.decode(file.read_bytes(), type=Contexts)
    except FileNotFoundError:
        return Contexts()
    except (OSError, msgspec.DecodeError) as error:
        raise Refused(f"{file} can't be read: {error}") from None


def save(contexts: Contexts) -> None:
    """Store contexts; whoever reads meanwhile sees those of before or of after."""
    file = file_of()
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    handle = os.open(unfinished, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "wb") as out:
        out.write(msgspec.json.format(msgspec.json.encode(contexts), indent=2) + b"\n")
    unfinished.rename(file)


def chosen(server: str | None, data: Path | None, environment: Mapping[str, str] = os.environ) -> Context | None:
    """The server that a command means; None for the data folder of this machine.

    In this order: `--server` or `--data`, TIDEGATE_SERVER, TIDEGATE_DATA, the current context, this machine.
    TIDEGATE_TOKEN is the token in place of the stored one. Raises Refused for both options, and a URL that is none.
    """
    if server is not None and data is not None:
        raise Refused("--server names a server and --data a folder of this machine: give one of them")
    named = server if server is not None else None if data is not None else environment.get("TIDEGATE_SERVER")
    if named is None and (data is not None or environment.get("TIDEGATE_DATA")):
        return None
    contexts = load()
    if named is None and contexts.current is None:
        return None
    found = contexts.get(contexts.current or "") if named is None else _named(contexts, named)
    token = environment.get("TIDEGATE_TOKEN")
    return msgspec.structs.replace(found, token=token) if token else found


def _named(contexts: Contexts, text: str) -> Context:
    """A context by its name, or a server by its URL."""
    return contexts.get(text) if "/" not in text else contexts.of_server(checked(text))


def checked(url: str) -> str:
    """A server's URL without its last slash. Raises Refused."""
    if not url.startswith(("http://", "https://")):
        raise Refused(f"A server is named by its URL, as http://127.0.0.1:8080, or by a context, not '{url}'")
    return url.rstrip("/")
