"""Declared inputs of a flow."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

import regex
from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

from engine.definition.coerce import order_key
from engine.definition.outputs import InputId, ValueType

InputType = Literal[ValueType, "FORM", "OBJECT", "TABLE"]

ONLY_FOR = {
    "validator": ("STRING", "SECRET"),
    "min": ("INT", "FLOAT", "DURATION"),
    "max": ("INT", "FLOAT", "DURATION"),
    "after": ("DATETIME", "DATE", "TIME"),
    "before": ("DATETIME", "DATE", "TIME"),
    "itemType": ("ARRAY", "MULTISELECT"),
    "values": ("SELECT", "MULTISELECT", "ENUM"),
    "options": ("MULTISELECT",),
    "expression": ("SELECT", "MULTISELECT"),
    "allowCustomValue": ("SELECT", "MULTISELECT"),
    "isRadio": ("SELECT",),
    "autoSelectFirst": ("SELECT", "MULTISELECT"),
    "extension": ("FILE",),
    "allowedFileExtensions": ("FILE",),
    "inputs": ("FORM",),
    "properties": ("OBJECT",),
    "columns": ("TABLE",),
    "rows": ("TABLE",),
}
"""Properties that only some types of input have."""


CELLS = frozenset(
    "STRING INT FLOAT BOOLEAN BOOL DATETIME DATE TIME DURATION URI EMAIL SELECT ENUM".split()  # noqa: SIM905
)
"""Types that the columns of a TABLE may have."""

PROPERTIES = CELLS | {"MULTISELECT"}
"""Types that the properties of an OBJECT may have."""

NOT_INSIDE = ("defaults", "prefill", "dependsOn", "expression")
"""What the parts of an OBJECT or TABLE can't have: they are given together, or not at all."""


def _pattern(text: str) -> str:
    try:
        regex.compile(text)
    except (regex.error, re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"invalid pattern [{text}]: {error}") from None
    return text


class DependsOn(BaseModel):
    """When an input is asked for."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    inputs: tuple[str, ...] = Field(description="Inputs that the condition looks at.")
    condition: str | None = Field(None, description="Expression; the input exists only when it gives true.")


class Choice(BaseModel):
    """One thing that can be chosen, and how a form calls it."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    value: str
    label: str | None = None


class Rows(BaseModel):
    """How many rows a table may have."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    min: int | None = Field(None, ge=0)
    max: int | None = Field(None, ge=0)


class Input(BaseModel):
    """One input of a flow."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid", alias_generator=to_camel)

    id: InputId = Field(
        validation_alias=AliasChoices("id", "name"), description="Name of the input; dots make nested maps."
    )
    type: InputType = Field(description="Type of the value.")
    description: str | None = Field(None, description="What the input is for, in Markdown.")
    display_name: str | None = Field(None, description="Name shown to people.")
    required: bool = Field(True, description="Whether there must be a value.")
    defaults: Any = Field(None, description="Value used when none is given; may be an expression.")
    prefill: Any = Field(None, description="Value that a form starts with.")
    depends_on: DependsOn | None = Field(None, description="When the input is asked for.")
    validator: Annotated[str, AfterValidator(_pattern)] | None = Field(None, description="Pattern of the whole text.")
    min: int | float | str | None = Field(None, description="Least value.")
    max: int | float | str | None = Field(None, description="Greatest value.")
    after: str | None = Field(None, description="Earliest value.")
    before: str | None = Field(None, description="Latest value.")
    item_type: ValueType | None = Field(None, description="Type of the elements.")
    values: tuple[str | Choice, ...] | None = Field(None, description="What can be chosen: texts, or value and label.")
    options: tuple[str | Choice, ...] | None = Field(None, description="Old name of `values`.")
    expression: str | None = Field(None, description="Expression that gives what can be chosen.")
    allow_custom_value: bool = Field(False, description="Whether other values may be given.")
    is_radio: bool = Field(False, description="How a form shows the choice.")
    auto_select_first: bool = Field(False, description="Whether the first choice is the default.")
    extension: str | None = Field(None, description="Ending of the file's name.")
    allowed_file_extensions: tuple[str, ...] | None = Field(None, description="Endings that a file's name may have.")

    inputs: tuple[Input, ...] | None = Field(None, description="Inputs of a FORM, readable as `inputs.form.id`.")
    properties: tuple[Input, ...] | None = Field(None, description="What an OBJECT consists of.")
    columns: tuple[Input, ...] | None = Field(None, description="What each row of a TABLE consists of.")
    rows: Rows | None = Field(None, description="How many rows a TABLE may have.")

    @field_validator("item_type")
    @classmethod
    def _no_nested_array(cls, value: str | None) -> str | None:
        if value in ("ARRAY", "MULTISELECT", "FILE"):
            raise ValueError(f"`itemType` cannot be `{value}`")
        return value

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        given = {self.__class__.model_fields[name].alias or name for name in self.model_fields_set}
        for name in sorted(given & ONLY_FOR.keys()):
            if self.type not in ONLY_FOR[name]:
                raise ValueError(f"'{name}' has no meaning for inputs of type {self.type}, remove it")
        if self.prefill is not None and self.defaults is not None:
            raise ValueError("'prefill' cannot be used together with 'defaults'")
        if self.auto_select_first and self.defaults is not None:
            raise ValueError("'autoSelectFirst' cannot be used together with 'defaults'")
        self._check_choice()
        self._check_bounds()
        self._check_parts()
        return self

    def _check_choice(self) -> None:
        if self.values is not None and self.options is not None:
            raise ValueError("you can't define both `values` and `options`")
        choice = self.values or self.options or self.expression
        if self.type in ("SELECT", "MULTISELECT", "ENUM") and not choice:
            raise ValueError(
                f"an input of type {self.type} needs 'values'" + (" or 'expression'" * (self.type != "ENUM"))
            )
        if self.type == "ARRAY" and self.item_type is None:
            raise ValueError("an input of type ARRAY needs 'itemType'")
        if self.type == "FILE" and self.defaults is not None and not _is_file_uri(self.defaults):
            raise ValueError(
                "inputs of type 'FILE' only support `defaults` as local files using a file URI, as file:///a"
            )

    def _check_bounds(self) -> None:
        for name in ("min", "max", "after", "before"):
            bound = getattr(self, name)
            if bound is not None:
                try:
                    order_key(self.type, bound)
                except ValueError as error:
                    raise ValueError(f"'{name}': {error}") from None

    def _check_parts(self) -> None:
        for type, name, allowed in PARTS:
            if self.type != type:
                continue
            parts: tuple[Input, ...] = getattr(self, name) or ()
            if not parts:
                raise ValueError(f"an input of type {type} needs '{name}'")
            for part in parts:
                if allowed is not None and part.type not in allowed:
                    raise ValueError(f"'{part.id}': an input of type {type} can't hold one of type {part.type}")
                if type == "FORM" and part.type == "FORM":
                    raise ValueError(f"'{part.id}': a FORM can't hold another")
                given = {part.__class__.model_fields[field].alias or field for field in part.model_fields_set}
                for field in NOT_INSIDE if type != "FORM" else ():
                    if field in given:
                        raise ValueError(f"'{part.id}': '{field}' can't be set inside an input of type {type}")
        if self.type == "FORM" and (self.defaults is not None or self.prefill is not None):
            raise ValueError("'defaults' and 'prefill' belong to the inputs of a FORM, not to itself")

    @property
    def choices(self) -> tuple[str, ...] | None:
        """What can be chosen, where that doesn't depend on an expression."""
        listed = self.values if self.values is not None else self.options
        if listed is None:
            return None
        return tuple(item.value if isinstance(item, Choice) else item for item in listed)


PARTS: tuple[tuple[str, str, frozenset[str] | None], ...] = (
    ("FORM", "inputs", None),
    ("OBJECT", "properties", PROPERTIES),
    ("TABLE", "columns", CELLS),
)
"""Types that hold other inputs, under which name, and of which types those may be."""


def _is_file_uri(value: Any) -> bool:
    return isinstance(value, str) and ("{{" in value or value.startswith(("file:///", "nsfile:///", "kestra:///")))
