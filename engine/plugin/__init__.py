"""The public API for plugin authors. Nothing else of the engine is public."""

from engine.clock import monotonic
from engine.durations import parse_duration
from engine.errors import TaskError
from engine.executor.plan import Kind
from engine.ids import NodeId
from engine.plugin.base import (
    Block,
    Child,
    Plugin,
    Program,
    RawTask,
    Result,
    Shape,
    Task,
    TaskRunner,
    Template,
    Trigger,
)
from engine.plugin.context import (
    Context,
    ExecutionInfo,
    Files,
    Folder,
    Level,
    OnLine,
    Programs,
    PythonEnvironment,
    TaskInfo,
)
from engine.plugin.index import Index, installed
from engine.settings import Settings

__all__ = [
    "Block",
    "Child",
    "Context",
    "ExecutionInfo",
    "Files",
    "Folder",
    "Index",
    "Kind",
    "Level",
    "NodeId",
    "OnLine",
    "Plugin",
    "Program",
    "Programs",
    "PythonEnvironment",
    "RawTask",
    "Result",
    "Settings",
    "Shape",
    "Task",
    "TaskError",
    "TaskInfo",
    "TaskRunner",
    "Template",
    "Trigger",
    "installed",
    "monotonic",
    "parse_duration",
]
