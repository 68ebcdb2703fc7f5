"""Every setting with its default.

A value comes from the first of: environment (`TIDEGATE_WORKER__CONCURRENCY=8`, a group in a group
`TIDEGATE_SERVER__AUTH__REQUIRED=true`), the file that `--config` or `TIDEGATE_CONFIG` names, the default here.
`conf/default.yaml` shows them all; a test keeps both equal.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from engine.errors import Refused

PREFIX = "TIDEGATE_"
RESERVED = frozenset({"TIDEGATE_DATA", "TIDEGATE_CONFIG", "TIDEGATE_FAULT_AT", "TIDEGATE_FAULT_LOG"})


class Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A group of settings."""


class Expressions(Group, frozen=True):
    """Limits on one rendering. Seconds, bytes, counts."""

    seconds: float = 5.0
    slice_seconds: float = 0.05
    output_bytes: int = 10 * 1024 * 1024
    items: int = 1_000_000
    depth: int = 100
    recursive: bool = False
    subflow_depth: int = 5
    subflow_seconds: float = 60.0


class Outputs(Group, frozen=True):
    """Outputs of a task run over `inline_bytes` move to internal storage."""

    inline_bytes: int = 256 * 1024


class Worker(Group, frozen=True):
    """How many attempts run at once in a process, in how many threads, and how long an end may take (seconds).

    shutdown_seconds: how long a server that is told to stop lets attempts run to their end
    """

    concurrency: int = 256
    threads: int = 32
    grace_seconds: float = 5.0
    shutdown_seconds: float = 30.0


class Loops(Group, frozen=True):
    """How many iterations of one Loop are begun at most where its `concurrencyLimit` is 0; paused ones don't count."""

    at_once: int = 2000


class Executions(Group, frozen=True):
    """For how many days executions are kept after their end, with their files; 0 keeps them for ever."""

    retention_days: Annotated[int, msgspec.Meta(ge=0)] = 90


class Logs(Group, frozen=True):
    """Limits on the log lines of one attempt, and for how many days lines and metrics are kept; 0 is for ever."""

    lines_per_second: int = 10_000
    lines_per_attempt: int = 1_000_000
    line_bytes: int = 64 * 1024
    retention_days: Annotated[int, msgspec.Meta(ge=0)] = 30


class Process(Group, frozen=True):
    """The Process task runner.

    inherit: names of the engine's environment variables that scripts see besides the basic ones, or "all"
    prestart: interpreters started ahead for Python scripts; 0 turns it off
    fallback: when container tasks run as processes for want of a container engine: run (`tidegate run`), always, never
    """

    inherit: tuple[str, ...] | Literal["all"] = ()
    prestart: int = 2
    fallback: Literal["run", "always", "never"] = "run"


class Http(Group, frozen=True):
    """What the HTTP tasks take at most in memory; more fails with the advice to use Download."""

    body_bytes: int = 10 * 1024 * 1024


class Files(Group, frozen=True):
    """Files of this machine: the folders whose files flows may read as `file:///…`, and whether templates may too."""

    allowed: tuple[str, ...] = ()
    in_templates: bool = True


class Namespaces(Group, frozen=True):
    """How many older contents of a namespace file, and earlier values of a key, are kept besides the one of now."""

    file_revisions: int = 10
    key_revisions: int = 10


class Duckdb(Group, frozen=True):
    """What a DuckDB task may use and reach: nothing outside its folder, folder files, network, or all."""

    memory: str = "1GB"
    threads: int = 2
    external: Literal["folder", "network", "all"] = "folder"


class Sqlite(Group, frozen=True):
    """Durability of the database and the size of a commit group."""

    synchronous: Literal["FULL", "NORMAL"] = "FULL"
    group: int = 500
    busy_seconds: float = 10.0


class Variables(Group, frozen=True):
    """`globals`: values by name that the templates of all flows see as `globals.NAME`."""

    globals: dict[str, Any] = {}


class PluginDefaults(Group, frozen=True):
    """Values for everything of a type, or of all types with this front; see `pluginDefaults` of flows."""

    type: str
    values: dict[str, Any]
    forced: bool = False


class Plugins(Group, frozen=True):
    """`defaults`: properties that tasks, triggers and task runners of all flows get by their type."""

    defaults: tuple[PluginDefaults, ...] = ()


class Templates(Group, frozen=True):
    """Whether flows may have tasks of the deprecated type core.flow.Template."""

    enabled: bool = False


class Skip(Group, frozen=True):
    """What the process leaves alone: ids of executions, flows (`namespace.flow`) and namespaces, not those below.

    New executions stay CREATED, others as they are, until a process starts that does not skip them.
    """

    executions: tuple[str, ...] = ()
    flows: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()


class Auth(Group, frozen=True):
    """Who may use the server. It asks everybody who he is as soon as there is a user.

    required: also before that, when only the first user can be made
    session_hours: how long a page stays signed in
    token_days: how long an API token lives for which nobody says how long; 0 is for ever
    """

    required: bool = False
    session_hours: float = 12.0
    token_days: int = 90


class BasicAuth(Group, frozen=True):
    """The user that the server makes at its start, an ADMIN of all namespaces; none without a name."""

    username: str = ""
    password: str = ""


class Oidc(Group, frozen=True):
    """Signing in by OpenID Connect; none without an issuer.

    username_claim: the claim that is the user's name here
    groups_claim: the claim that lists his groups, or a path to it (`realm_access.roles`)
    roles: by group, names of roles by namespace ("" is all of them); none: an ADMIN of this server gives roles
    audience: what bearer tokens of the issuer must be for to be taken by the API; none are without it
    """

    issuer: str = ""
    client_id: str = ""
    client_secret: str = ""
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    username_claim: str = "email"
    groups_claim: str = "groups"
    roles: dict[str, dict[str, str]] = {}
    audience: str = ""


class Audit(Group, frozen=True):
    """How many days it is kept who changed what; 0 is for ever."""

    retention_days: Annotated[int, msgspec.Meta(ge=0)] = 365


class Limits(Group, frozen=True):
    """How much one may ask a server that has users; 0 is without a limit.

    requests_per_second, burst: of a user, and of an address that says nothing of who it is
    unknown_per_second: of an address whose users or tokens are wrong
    failures: wrong passwords of a user from an address, then he can't sign in from there for `lockout_seconds`
    """

    requests_per_second: float = 2000.0
    burst: int = 4000
    unknown_per_second: float = 10.0
    failures: int = 10
    lockout_seconds: float = 300.0


class Webhooks(Group, frozen=True):
    """Requests that start executions: bytes of a body, in memory or stored, and seconds that an answer may wait."""

    body_bytes: int = 1024 * 1024
    store_bytes: int = 1024 * 1024 * 1024
    wait_seconds: float = 25.0


class Server(Group, frozen=True):
    """Where `tidegate serve` listens, the largest request body it takes, and how long an end may take (seconds).

    url: how browsers reach it, as https://tide.example.com; else as they say it
    hosts: names under which it may be called, besides localhost; none: under any, once there are users
    origins: pages of other sites that may call it, as https://example.com
    reuse_port: whether several servers may listen on the port side by side, so that one takes over from another
    proxies: addresses or networks of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed
    """

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8080
    reuse_port: bool = False
    body_bytes: int = 10 * 1024 * 1024 * 1024
    shutdown_seconds: float = 30.0
    url: str = ""
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()
    auth: Auth = Auth()
    basic_auth: BasicAuth = BasicAuth()
    limits: Limits = Limits()
    audit: Audit = Audit()
    oidc: Oidc = Oidc()
    webhooks: Webhooks = Webhooks()


class Observe(Group, frozen=True):
    """What the process tells of itself: the form and level of its own log, and how its metrics' names begin."""

    log_format: Literal["text", "json"] = "text"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    metrics_prefix: str = "kestra"


class Settings(Group, frozen=True):
    """All settings."""

    expressions: Expressions = Expressions()
    outputs: Outputs = Outputs()
    worker: Worker = Worker()
    loops: Loops = Loops()
    executions: Executions = Executions()
    logs: Logs = Logs()
    process: Process = Process()
    http: Http = Http()
    files: Files = Files()
    namespaces: Namespaces = Namespaces()
    duckdb: Duckdb = Duckdb()
    sqlite: Sqlite = Sqlite()
    variables: Variables = Variables()
    plugins: Plugins = Plugins()
    templates: Templates = Templates()
    dialects: dict[str, Literal[1, 2]] = {}
    skip: Skip = Skip()
    server: Server = Server()
    observe: Observe = Observe()


def load_settings(file: Path | None = None, environment: Mapping[str, str] = os.environ) -> Settings:
    """Defaults, then `file` (or the one that TIDEGATE_CONFIG names), then the environment.

    Raises Refused with the name of the setting and what it takes.
    """
    named = environment.get("TIDEGATE_CONFIG")
    chosen = file or (Path(named) if named else None)
    values = _underscored(_read(chosen), Settings) if chosen else {}
    for name, text in environment.items():
        if name.startswith(PREFIX) and name not in RESERVED and "__" in name:
            _put(values, name[len(PREFIX) :].lower().split("__"), _value(text))
    try:
        return msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise Refused(f"Setting not accepted: {error}") from None


def _read(file: Path) -> dict[str, Any]:
    import yaml

    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise Refused(f"The settings file {file} can't be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise Refused(f"The settings file {file} is not UTF-8 text, see byte {error.start}") from None
    except yaml.YAMLError as error:
        raise Refused(f"The settings file {file} is not YAML: {' '.join(str(error).split())}") from None
    if values is not None and not isinstance(values, dict):
        raise Refused(f"The settings file {file} must hold a map of groups")
    return dict(values or {})


def _underscored(values: dict[str, Any], group: type[Group]) -> dict[str, Any]:
    """Names of settings may be written with dashes: `basic-auth`. What users name themselves stays as it is."""
    groups = {field.name: field.type for field in msgspec.structs.fields(group)}
    found = {}
    for written, value in values.items():
        name = str(written).replace("-", "_")
        inner = groups.get(name)
        if isinstance(inner, type) and issubclass(inner, Group) and isinstance(value, dict):
            value = _underscored(value, inner)
        found[name if name in groups else written] = value
    return found


def _put(values: dict[str, Any], path: list[str], value: Any) -> None:
    for group in path[:-1]:
        # A group with nothing in it is null in YAML.
        if not isinstance(values.get(group), dict):
            values[group] = {}
        values = values[group]
    values[path[-1]] = value


def _value(text: str) -> Any:
    """A list where the text is one in brackets, else the text itself; numbers and booleans are converted later."""
    if text.startswith("[") and text.endswith("]"):
        return [part.strip() for part in text[1:-1].split(",") if part.strip()]
    return text


def data_folder(given: Path | None = None, environment: Mapping[str, str] = os.environ) -> Path:
    """The folder that holds everything: `given`, else TIDEGATE_DATA, else the user's data directory."""
    if given is not None:
        return given
    if named := environment.get("TIDEGATE_DATA"):
        return Path(named)
    base = environment.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "tidegate"
