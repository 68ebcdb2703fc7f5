"""One DuckDB database, used by one task: opened confined, asked, closed. All of it blocks: call it in a thread."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple
from uuid import UUID

import msgspec

from engine.plugin import TaskError
from plugins.jdbc.duckdb_names import absolute_names

Fetch = Literal["NONE", "FETCH", "FETCH_ONE", "STORE"]
Access = Literal["folder", "network", "all"]

NETWORK = ("http://", "https://", "s3://", "gcs://", "gs://", "r2://", "hf://")
INT64 = range(-(2**63), 2**63)


class Place(NamedTuple):
    """Where a session works and what it may use.

    database: file of the database, or `:memory:`
    folder: the only directory that SQL reaches, unless `access` says more
    """

    database: str
    folder: Path
    memory: str
    threads: int
    access: Access
    time_zone: str | None = None


class Ask(NamedTuple):
    """What to run and what to keep of the results.

    parameters: values of `:name` in the statements
    single: more than one statement in `sql` is a mistake
    transaction: all statements together, or each for itself
    """

    sql: str
    after: str | None
    parameters: Mapping[str, Any]
    fetch: Fetch
    single: bool
    transaction: bool


class Found(NamedTuple):
    """Result of a statement: its columns with their types, and what was asked to be kept of it."""

    columns: Mapping[str, str]
    size: int | None = None
    rows: list[dict[str, Any]] | None = None
    path: Path | None = None


class Session:
    """Runs what is asked, once; `stop` ends it from another thread."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._connection: Any = None
        self._stopped = False

    def stop(self) -> None:
        """Interrupt the statement that runs and start no other."""
        self._stopped = True
        import duckdb

        connection = self._connection
        # It may just have been closed.
        with suppress(duckdb.ConnectionException):
            if connection is not None:
                connection.interrupt()

    def run(self, ask: Ask) -> list[Found]:
        """The results of the statements that have one. Raises TaskError with what DuckDB says of a mistake."""
        import duckdb

        try:
            with duckdb.connect(self._place.database, config=self._config()) as connection:
                self._connection = connection
                self._confine()
                return self._statements(ask)
        except duckdb.Error as error:
            statement = "sql or afterSQL" if ask.after else "sql"
            raise TaskError(f"{statement}: {self._explained(str(error))}") from None
        finally:
            self._connection = None

    def _config(self) -> dict[str, Any]:
        return {
            "memory_limit": self._place.memory,
            "threads": self._place.threads,
            "temp_directory": str(self._place.folder / ".duckdb"),
            "python_enable_replacements": False,
        }

    def _confine(self) -> None:
        """Let SQL reach only what it may. The order counts: what is locked can't be set."""
        place = self._place
        if place.time_zone is not None:
            self._connection.execute(f"set TimeZone = {_quoted(place.time_zone)}")
        if place.access == "all":
            self._connection.execute(f"set file_search_path = {_quoted(str(place.folder))}")
            return
        allowed = [str(place.folder)]
        if place.access == "network":
            self._connection.execute("install httpfs")
            self._connection.execute("load httpfs")
            allowed += NETWORK
        self._connection.execute(f"set allowed_directories = [{', '.join(map(_quoted, allowed))}]")
        self._connection.execute("set enable_external_access = false")
        self._connection.execute("set lock_configuration = true")

    def _statements(self, ask: Ask) -> list[Found]:
        statements = self._parsed(ask.sql)
        if ask.single and len(statements) > 1:
            raise TaskError(
                "Query task support only a single SQL statement. Use the Queries task to run multiple statements."
            )
        after = self._parsed(ask.after) if ask.after else []
        together = ask.transaction and (bool(after) or not ask.single)
        if together:
            self._connection.begin()
        results = []
        for number, statement in enumerate([*statements, *after]):
            found = self._one(statement, number, ask)
            if found is not None and number < len(statements):
                results.append(found)
        if together:
            self._connection.commit()
        return results

    def _parsed(self, sql: str) -> Sequence[Any]:
        return list(self._connection.extract_statements(absolute_names(sql, self._place.folder)))

    def _one(self, statement: Any, number: int, ask: Ask) -> Found | None:
        import duckdb

        if self._stopped:
            raise TaskError("The statement was stopped")
        parameters = {name: ask.parameters[name] for name in statement.named_parameters if name in ask.parameters}
        if ask.fetch == "STORE" and statement.type == duckdb.StatementType.SELECT:
            return self._stored(statement.query, parameters, number)
        self._connection.execute(statement, parameters or None)
        if not _has_rows(statement, self._connection.description):
            return None
        columns = {str(column[0]): str(column[1]) for column in self._connection.description}
        if ask.fetch == "NONE":
            return Found(columns)
        fetched = [self._connection.fetchone()] if ask.fetch == "FETCH_ONE" else self._connection.fetchall()
        rows = [dict(zip(columns, map(plain, row), strict=True)) for row in fetched if row is not None]
        if ask.fetch == "STORE":
            path = self._target(number)
            path.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
            return Found(columns, len(rows), path=path)
        return Found(columns, len(rows), rows)

    def _stored(self, query: str, parameters: dict[str, Any], number: int) -> Found:
        """Let DuckDB itself write the rows, one JSON object a line."""
        text = query.strip().rstrip(";")
        relation = self._connection.sql(text, params=parameters or None)
        columns = dict(zip(relation.columns, map(str, relation.types), strict=True))
        path = self._target(number)
        selected = _without_infinities(text, columns)
        self._connection.execute(f"copy (\n{selected}\n) to {_quoted(str(path))} (format json)", parameters or None)
        (size,) = self._connection.fetchone()
        return Found(columns, size, path=path)

    def _target(self, number: int) -> Path:
        return self._place.folder / f".result-{number}.ion"

    def _explained(self, message: str) -> str:
        """What DuckDB says, with names as the author wrote them."""
        lines = message.replace(f"{self._place.folder}/", "").splitlines()
        text = "\n".join(line for line in lines if line.strip())
        if text.startswith("Permission Error: Cannot access"):
            text += (
                "\nSQL reaches the files of the task's working directory only: pass them with inputFiles, "
                "or see the setting duckdb.external"
            )
        return text


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _without_infinities(query: str, columns: Mapping[str, str]) -> str:
    """A query whose numbers are all such that JSON has them: null for what is infinite or no number."""
    names = ['"' + name.replace('"', '""') + '"' for name, kind in columns.items() if kind in ("DOUBLE", "FLOAT")]
    if not names:
        return query
    finite = ", ".join(f"case when isfinite({name}) then {name} end as {name}" for name in names)
    # The names are quoted, and the query is what the user wants run.
    return f"select * replace ({finite}) from (\n{query}\n)"  # noqa: S608


def _has_rows(statement: Any, description: Any) -> bool:
    """Whether a statement gave rows of its own, not just how many it changed."""
    import duckdb

    expected = statement.expected_result_type
    if not description or duckdb.ExpectedResultType.QUERY_RESULT not in expected:
        return False
    return len(expected) == 1 or [column[0] for column in description] not in (["Count"], ["Success"])


def plain(value: Any) -> Any:
    """A cell as JSON value: dates and times as ISO text, numbers as numbers where JSON holds them exactly."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return value if value in INT64 else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        number = float(value)
        return number if Decimal(repr(number)) == value else str(value)
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, date | time | timedelta | UUID | bytes):
        return msgspec.to_builtins(value)
    return str(value)
