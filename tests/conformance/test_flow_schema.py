"""Editors take what the engine takes: the schema of flows, held against the flows that come with the tables."""

from __future__ import annotations

import jsonschema

from conformance import tables
from engine.definition.document import read_yaml
from engine.definition.load import load_flow
from engine.definition.schema import part_schema
from engine.errors import InvalidFlow
from engine.plugin.index import installed

VALID = "core/src/test/resources/flows/valids"
# The tables need not be there; with them there are more than a hundred flows that the engine reads.
CASES = tables.load("flows")


def test_every_flow_that_the_engine_reads_is_right_for_an_editor() -> None:
    index = installed()
    validator = jsonschema.Draft7Validator(part_schema(index, "flow"))
    seen, wrong = 0, {}
    for file in sorted((tables.folder() / "flows" / VALID).glob("*.y*ml")):
        source = file.read_text(encoding="utf-8")
        try:
            load_flow(source, index=index)
        except InvalidFlow:
            # Of plugins that are not there.
            continue
        seen += 1
        if errors := list(validator.iter_errors(read_yaml(source).value)):
            wrong[file.name] = errors[0].message
    assert wrong == {}
    assert seen or tables.are_others()
