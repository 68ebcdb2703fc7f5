"""Records as bytes and back."""

from __future__ import annotations

import msgspec

from engine.state.execution import Answer, Execution, TaskRun

encode = msgspec.json.Encoder().encode
decode_execution = msgspec.json.Decoder(Execution).decode
decode_task_run = msgspec.json.Decoder(TaskRun).decode
decode_answer = msgspec.json.Decoder(Answer).decode
