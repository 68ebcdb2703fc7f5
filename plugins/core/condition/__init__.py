"""Conditions of listeners and triggers."""

from plugins.core.condition.dates import DateTimeBetween, DayWeek, DayWeekInMonth, PublicHoliday, TimeBetween, Weekend
from plugins.core.condition.executions import (
    ExecutionFlow,
    ExecutionLabels,
    ExecutionNamespace,
    ExecutionOutputs,
    ExecutionStatus,
    HasRetryAttempt,
)
from plugins.core.condition.logic import Expression, FlowCondition, FlowNamespaceCondition, Not, Or
from plugins.core.condition.multiple import MultipleCondition
from plugins.core.condition.window import TimeWindow

__all__ = [
    "DateTimeBetween",
    "DayWeek",
    "DayWeekInMonth",
    "ExecutionFlow",
    "ExecutionLabels",
    "ExecutionNamespace",
    "ExecutionOutputs",
    "ExecutionStatus",
    "Expression",
    "FlowCondition",
    "FlowNamespaceCondition",
    "HasRetryAttempt",
    "MultipleCondition",
    "Not",
    "Or",
    "PublicHoliday",
    "TimeBetween",
    "TimeWindow",
    "Weekend",
]
