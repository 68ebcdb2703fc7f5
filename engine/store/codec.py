"""Records as text and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from engine.state.execution import Answer, Execution, TaskRun
from engine.state.trigger import Backfill, Window

_encode = msgspec.json.Encoder().encode
decode_execution = msgspec.json.Decoder(Execution).decode
decode_task_run = msgspec.json.Decoder(TaskRun).decode
decode_answer = msgspec.json.Decoder(Answer).decode
decode_backfill = msgspec.json.Decoder(Backfill).decode
decode_windows = msgspec.json.Decoder(tuple[Window, ...]).decode
decode_tags = msgspec.json.Decoder(dict[str, str]).decode


def encode(value: Execution | TaskRun | Answer | Backfill | Mapping[str, str] | Sequence[object]) -> str:
    """A record, a map of texts or the parameters of a statement as JSON.

    Raises TypeError or ValueError for what JSON can't hold.
    """
    return _encode(value).decode()
