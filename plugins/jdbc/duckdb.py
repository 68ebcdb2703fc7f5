"""SQL over files, in a DuckDB of the task's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import msgspec
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from engine.plugin import Context, Task, TaskError, Template
from plugins.jdbc.duckdb_session import Ask, Fetch, Found, Place, Session

PREFIX = "jdbc:duckdb:"
DATABASE = "database.db"
COLUMNS = "columns"

# A named parameter; what it may not be taken for comes first: quoted text, comments, dollar quotes and casts.
PARAMETER = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|\$(\w*)\$.*?\$\1\$|::|:(?P<name>[A-Za-z_]\w*)""", re.DOTALL
)


class Outputs(BaseModel):
    """Base of what these tasks give."""

    model_config = ConfigDict(defer_build=True, alias_generator=to_camel, populate_by_name=True)


class Rows(Outputs):
    """The result of a statement, as `fetchType` says."""

    row: dict[str, Any] | None = Field(None, description="The first row, for FETCH_ONE.")
    rows: list[dict[str, Any]] | None = Field(None, description="All rows, for FETCH.")
    uri: str | None = Field(None, description="For STORE: URI of a file with one JSON object a line.")
    size: int | None = Field(None, description="How many rows.")


class QueryOutputs(Rows):
    """The result of a query, and files that the SQL wrote."""

    output_files: dict[str, str] = Field(default_factory=dict, description="URIs of `outputFiles` by name.")
    database_uri: str | None = Field(None, description="URI of the database file, for `outputDbFile`.")


class QueriesOutputs(Outputs):
    """The results of several statements, and files that the SQL wrote."""

    outputs: list[dict[str, Any]] = Field(
        description="For each statement that has a result: `row`, `rows` or `uri`, and `size`."
    )
    output_files: dict[str, str] = Field(default_factory=dict, description="URIs of `outputFiles` by name.")
    database_uri: str | None = Field(None, description="URI of the database file, for `outputDbFile`.")


class Outcome(NamedTuple):
    """What the statements gave, URIs of files by name, and URI of the database file."""

    results: list[Found]
    files: dict[str, str]
    database: str | None


class DuckdbTask(Task):
    """What Query and Queries share."""

    sql: str | Template = Field(
        description="The SQL. It sees `workingDir`, `dbFilePath` and `outputFiles.NAME`; files by name or full path."
    )
    url: str = Field(
        PREFIX, description="jdbc:duckdb: for a fresh database, jdbc:duckdb:NAME for a file of the working directory."
    )
    username: str | None = Field(None, description="Has no effect.")
    password: str | None = Field(None, description="Has no effect.")
    fetch_type: Fetch = Field("NONE", description="What to keep of the result.")
    fetch: bool = Field(False, description="Old form of `fetchType: FETCH`.")
    fetch_one: bool = Field(False, description="Old form of `fetchType: FETCH_ONE`.")
    store: bool = Field(False, description="Old form of `fetchType: STORE`.")
    fetch_size: int | None = Field(None, description="Has no effect.")
    parameters: dict[str, Any] | Template | None = Field(
        None, description="Values of `:name` in the SQL; they keep their types."
    )
    input_files: dict[str, Any] | list[str] | str | None = Field(
        None, description="Files for the SQL: a map of name to URI or text, or a list of URIs."
    )
    output_files: list[str] | None = Field(None, description="Names of files that the SQL writes.")
    database_uri: str | None = Field(None, description="URI of a database file to work on a copy of.")
    output_db_file: bool = Field(False, description="Keep the database file, see output `databaseUri`.")
    time_zone_id: str | None = Field(None, description="Time zone of the session; that of the machine by default.")
    community_extensions: list[str] | None = Field(None, description="Has no effect.")

    async def _outcome(self, ctx: Context, *, single: bool, transaction: bool, after: str | Template | None) -> Outcome:
        """Run the SQL and keep the files that it wrote."""
        folder = ctx.folder.path.absolute()
        await ctx.folder.write(self.input_files)
        database = await self._database(ctx, folder)
        targets = {name: ctx.folder.resolve(name).absolute() for name in self.output_files or ()}
        for target in targets.values():
            await anyio.Path(target.parent).mkdir(parents=True, exist_ok=True)
        variables: dict[str, Any] = {
            "workingDir": str(folder),
            "dbFilePath": database,
            "outputFiles": {name: str(target) for name, target in targets.items()},
        }
        parameters = await ctx.render(self.parameters, typed=True, **variables) or {}
        if not isinstance(parameters, Mapping):
            raise TaskError("parameters: must be a map of name to value")
        sql = _named(str(await ctx.render(self.sql, **variables)), parameters)
        last = _named(str(await ctx.render(after, **variables)), parameters) if after else None
        limits = ctx.settings.duckdb
        session = Session(Place(database, folder, limits.memory, limits.threads, limits.external, self.time_zone_id))
        ask = Ask(sql, last, parameters, self._fetch(), single, transaction)
        found = await ctx.thread(session.run, ask, stop=session.stop)
        files = await ctx.folder.collect(list(targets))
        for name in targets.keys() - files.keys():
            ctx.log(f"outputFiles: the SQL left no file '{name}'", "WARN")
        kept = await ctx.files.put(Path(database).name, Path(database)) if self.output_db_file else None
        return Outcome(found, files, kept)

    async def _database(self, ctx: Context, folder: Path) -> str:
        """The file to open. Raises TaskError for one that may not be opened."""
        if not self.url.startswith(PREFIX):
            raise TaskError(f"url: must begin with {PREFIX}, but is '{self.url}'")
        name = self.url.removeprefix(PREFIX).partition("?")[0]
        if name.startswith("md:"):
            raise TaskError("url: MotherDuck can't be reached from here, use a database file")
        if name == ":memory:":
            return name
        path = Path(name) if Path(name).is_absolute() else ctx.folder.resolve(name or DATABASE).absolute()
        outside = not path.is_relative_to(folder) or ".." in path.parts
        if outside and ctx.settings.duckdb.external != "all":
            raise TaskError(
                f"url: '{name}' lies outside the working directory: pass it as databaseUri, or see the setting "
                "duckdb.external"
            )
        if self.database_uri is not None:
            await ctx.files.fetch(self.database_uri, path)
        return str(path)

    def _fetch(self) -> Fetch:
        if self.fetch:
            return "FETCH"
        if self.fetch_one:
            return "FETCH_ONE"
        return "STORE" if self.store else self.fetch_type

    async def _rows(self, ctx: Context, found: Found, name: str) -> Rows:
        fetch = self._fetch()
        if found.size is not None:
            ctx.metric(
                "fetch.size", found.size, fetch=str(fetch != "STORE").lower(), store=str(fetch == "STORE").lower()
            )
        if found.path is not None:
            uri = await ctx.files.put(name, found.path, {COLUMNS: msgspec.json.encode(found.columns).decode()})
            return Rows(uri=uri, size=found.size)
        if fetch == "FETCH_ONE":
            return Rows(row=found.rows[0] if found.rows else None, size=found.size)
        return Rows(rows=found.rows, size=found.size)


class Query(DuckdbTask):
    """Run one SQL statement in a DuckDB of its own.

    The statement reaches the files of the task's working directory only, see `inputFiles`. A stored result carries the
    types of its columns, so that dates and decimals are not lost.
    """

    after_sql: str | Template | None = Field(
        None, alias="afterSQL", description="A statement to run after `sql`, in the same transaction."
    )

    async def run(self, ctx: Context) -> QueryOutputs:
        """Run the statement."""
        results, files, database = await self._outcome(ctx, single=True, transaction=True, after=self.after_sql)
        rows = await self._rows(ctx, results[0], "result.ion") if results else Rows()
        return QueryOutputs(**rows.model_dump(), output_files=files, database_uri=database)


class Queries(DuckdbTask):
    """Run several SQL statements, one after another, in a DuckDB of their own."""

    transaction: bool = Field(True, description="All statements take effect together or not at all.")
    after_sql: str | Template | None = Field(None, alias="afterSQL", description="Has no effect.")

    async def run(self, ctx: Context) -> QueriesOutputs:
        """Run the statements."""
        results, files, database = await self._outcome(ctx, single=False, transaction=self.transaction, after=None)
        kept = [await self._rows(ctx, found, f"result-{number}.ion") for number, found in enumerate(results, 1)]
        return QueriesOutputs(
            outputs=[rows.model_dump(exclude_none=True) for rows in kept], output_files=files, database_uri=database
        )


def _named(sql: str, parameters: Mapping[str, Any]) -> str:
    """`sql` with the parameters as DuckDB writes them: `$name` for `:name`."""
    return PARAMETER.sub(lambda found: f"${found['name']}" if found["name"] in parameters else found.group(), sql)
