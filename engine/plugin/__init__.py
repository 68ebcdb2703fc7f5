"""The public API for plugin authors. Nothing else of the engine is public."""

from engine.clock import monotonic
from engine.durations import duration_text, parse_duration
from engine.errors import ExpressionError, TaskError
from engine.executor.lanes import truthy as holds_true
from engine.executor.plan import Kind
from engine.ids import NodeId
from engine.plugin.base import (
    Block,
    Calendar,
    Call,
    Child,
    FolderBlock,
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
from engine.plugin.conditions import Condition, Seen, Subject
from engine.plugin.context import (
    LEVELS,
    Context,
    ExecutionChoice,
    ExecutionInfo,
    Executions,
    Files,
    Kv,
    Level,
    LogEntry,
    Logs,
    Namespaces,
    Purged,
    TaskInfo,
)
from engine.plugin.duration import Duration
from engine.plugin.fields import unrendered
from engine.plugin.index import Index, installed
from engine.plugin.polling import Audit, PollContext, PollingTrigger, Preview, TriggerInfo
from engine.plugin.records import read_record
from engine.plugin.several import Several
from engine.plugin.web import Verified, WebAnswer, WebRequest, WebTrigger
from engine.plugin.working import Folder, OnLine, Programs, PythonEnvironment
from engine.settings import Settings
from engine.state.heard import Heard
from engine.state.ledger import (
    Change,
    Comparing,
    Consumed,
    Difference,
    Item,
    ItemState,
    Listed,
    Page,
    Scope,
    Step,
)
from engine.state.status import Status

__all__ = [
    "LEVELS",
    "Audit",
    "Block",
    "Calendar",
    "Call",
    "Change",
    "Child",
    "Comparing",
    "Condition",
    "Consumed",
    "Context",
    "Difference",
    "Duration",
    "ExecutionChoice",
    "ExecutionInfo",
    "Executions",
    "ExpressionError",
    "Files",
    "Folder",
    "FolderBlock",
    "Heard",
    "Index",
    "Item",
    "ItemState",
    "Kind",
    "Kv",
    "Level",
    "Listed",
    "LogEntry",
    "Logs",
    "Namespaces",
    "NodeId",
    "OnLine",
    "Page",
    "Plugin",
    "PollContext",
    "PollingTrigger",
    "Preview",
    "Program",
    "Programs",
    "Purged",
    "PythonEnvironment",
    "RawTask",
    "Result",
    "Scope",
    "Seen",
    "Settings",
    "Several",
    "Shape",
    "Status",
    "Step",
    "Subject",
    "Task",
    "TaskError",
    "TaskInfo",
    "TaskRunner",
    "Template",
    "Trigger",
    "TriggerInfo",
    "Verified",
    "WebAnswer",
    "WebRequest",
    "WebTrigger",
    "duration_text",
    "holds_true",
    "installed",
    "monotonic",
    "parse_duration",
    "read_record",
    "unrendered",
]
