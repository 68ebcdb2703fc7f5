"""Values for the inputs of executions, with what only the runtime has: templates, files and the key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import anyio

from engine.definition.declared import Input
from engine.definition.forms import leaves
from engine.definition.inputs import InputState, Render, Upload, preview_inputs, resolve_inputs
from engine.errors import InvalidInputs, StorageError
from engine.expressions.masks import masked
from engine.files.addresses import input_file
from engine.files.local import SCHEME, LocalFiles
from engine.files.protocol import InternalStorage
from engine.runtime.keeping.namespaces import NSFILE, resolved
from engine.runtime.keeping.vault import Vault
from engine.runtime.rendering.lookups import LookUps
from engine.runtime.rendering.renderer import Renderer
from engine.runtime.rendering.variables import Variables
from engine.state.execution import Execution
from engine.state.sealed import is_sealed


class Inputs:
    """Makes the values of declared inputs, or tells what they would be.

    local: the files of this machine that flows may read
    """

    def __init__(
        self, files: InternalStorage, renderer: Renderer, look_ups: LookUps, vault: Vault, local: LocalFiles
    ) -> None:
        self._files = files
        self._renderer = renderer
        self._look_ups = look_ups
        self._vault = vault
        self._local = local

    async def resolve(
        self,
        declared: Sequence[Input],
        execution: Execution,
        seen: Variables,
        given: Mapping[str, Any],
        *,
        here: bool = True,
    ) -> dict[str, Any]:
        """Values for declared inputs; their expressions see the variables `seen`. Raises InvalidInputs.

        here: whoever gives them is a user of this machine, and may name files of it
        """
        if not declared:
            return {}
        masks: set[str] = set()

        async def save_file(input_id: str, source: str, own: bool) -> str:
            return await self._save(execution, input_id, source, own, here)

        render, seal = self._render(execution, seen, masks), self._vault.seal
        try:
            return await resolve_inputs(declared, given, render=render, save_file=save_file, seal=seal)
        except InvalidInputs as error:
            raise InvalidInputs({id: masked(text, masks) for id, text in error.problems.items()}) from None

    async def resolve_again(
        self,
        declared: Sequence[Input],
        execution: Execution,
        seen: Variables,
        given: Mapping[str, Any],
        kept: Mapping[str, Any],
        here: bool = True,
    ) -> dict[str, Any]:
        """Values as `resolve` makes them; inputs that are not given get the value that they had in `kept`."""
        before = {leaf.id: self._opened(_at(kept, leaf.id)) for leaf in leaves(declared)}
        held = {id: value for id, value in before.items() if value is not None}
        return await self.resolve(declared, execution, seen, {**held, **given}, here=here)

    def _opened(self, value: Any) -> Any:
        return self._vault.open(value["value"], bool(value.get("json"))) if is_sealed(value) else value

    async def preview(
        self, declared: Sequence[Input], execution: Execution, seen: Variables, given: Mapping[str, Any]
    ) -> list[InputState]:
        """What would become of declared inputs. Choices are shown as they are, secrets in errors are not."""
        masks: set[str] = set()
        render = self._render(execution, seen, masks)
        found = await preview_inputs(declared, given, render=render, seal=self._vault.seal)
        return [state._replace(errors=tuple(masked(text, masks) for text in state.errors)) for state in found]

    def _render(self, execution: Execution, seen: Variables, masks: set[str]) -> Render:
        async def render(value: Any, inputs: Mapping[str, Any]) -> Any:
            variables = seen.extended({"inputs": inputs})
            look_up = self._look_ups.for_execution(execution, variables)
            return await self._renderer.render(value, variables, typed=True, look_up=look_up, masks=masks)

        return render

    async def _save(self, execution: Execution, input_id: str, source: str, own: bool, here: bool) -> str:
        """The URI of a file that was given, or that the flow itself names: `own`."""
        if source.startswith("kestra://"):
            return (await self._files.stat(source)).address
        if source.startswith(NSFILE):
            await self._files.stat(resolved(source, execution.namespace))
            return source
        if own:
            # Whoever writes flows must not read the files of this machine that way.
            path = await self._local.place(source)
        elif execution.trigger is not None or not (here or isinstance(source, Upload)):
            raise StorageError(f"The input '{input_id}' takes a file of internal storage, but is '{source}'")
        else:
            path = Path(source.removeprefix(SCHEME))
        if not await anyio.Path(path).is_file():
            raise StorageError(f"The file '{source}' for the input '{input_id}' does not exist")
        name = PurePosixPath(path.as_posix()).name
        address = input_file(execution.namespace, execution.flow, execution.id, input_id, name)
        return (await self._files.put_path(address, path)).address


def _at(values: Mapping[str, Any], id: str) -> Any:
    """The value of an input in a map that is nested on the dots of the ids; None where there is none."""
    found: Any = values
    for step in id.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found
