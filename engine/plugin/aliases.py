"""Old type names that flows still use, and what they are called now."""

from __future__ import annotations

_FAMILY = "io.kestra.plugin."
_OLD = "io.kestra.core.tasks."

_MOVED: dict[str, tuple[str, tuple[str, ...]]] = {
    "debugs": ("core.debug", ("Return", "Echo")),
    "executions": ("core.execution", ("Count", "Fail", "Labels", "PurgeExecutions", "Resume")),
    "flows": (
        "core.flow",
        (
            "AllowFailure", "Dag", "EachParallel", "EachSequential", "ForEach", "ForEachItem", "If", "Parallel",
            "Pause", "Sequential", "Subflow", "Switch", "Template", "WorkingDirectory",
        ),
    ),
    "log": ("core.log", ("Fetch", "Log", "PurgeLogs")),
    "states": ("core.state", ("Delete", "Get", "Set")),
    "storages": (
        "core.storage",
        ("Concat", "DeduplicateItems", "Delete", "FilterItems", "LocalFiles", "Reverse", "Size", "Split"),
    ),
    "templating": ("core.templating", ("TemplatedFlow", "TemplatedTask")),
    "trigger": ("core.trigger", ("Toggle",)),
}  # fmt: skip
"""Old package below io.kestra.core.tasks to the new package and the types that moved with their name."""

_TRIGGERS = ("Flow", "Schedule", "ScheduleOnDates", "Toggle", "Webhook")

_CONDITIONS = (
    "DateTimeBetween", "DayWeek", "DayWeekInMonth", "ExecutionFlow", "ExecutionLabels", "ExecutionNamespace",
    "ExecutionOutputs", "ExecutionStatus", "Expression", "Flow", "FlowNamespace", "HasRetryAttempt", "Multiple", "Not",
    "Or", "PublicHoliday", "TimeBetween", "Weekend",
)  # fmt: skip
"""Conditions that were called the same with `Condition` at the end, or still are."""

_KEPT_SUFFIX = frozenset({"Flow", "FlowNamespace", "Multiple"})

_RENAMED: dict[str, str] = {
    f"{_OLD}flows.Flow": "core.flow.Subflow",
    f"{_OLD}flows.Worker": "core.flow.WorkingDirectory",
    f"{_OLD}storages.Purge": "core.execution.PurgeExecutions",
    f"{_OLD}scripts.Bash": "scripts.shell.Commands",
    f"{_OLD}scripts.Python": "scripts.python.Commands",
    f"{_OLD}scripts.Node": "scripts.node.Commands",
    f"{_FAMILY}core.storage.Purge": "core.execution.PurgeExecutions",
    f"{_FAMILY}core.storage.PurgeExecution": "core.storage.PurgeCurrentExecutionFiles",
    f"{_OLD}storages.PurgeExecution": "core.storage.PurgeCurrentExecutionFiles",
    f"{_FAMILY}core.flow.WaitFor": "core.flow.LoopUntil",
    f"{_OLD}flows.WaitFor": "core.flow.LoopUntil",
    f"{_FAMILY}fs.http.Request": "core.http.Request",
    f"{_FAMILY}fs.http.Download": "core.http.Download",
    f"{_FAMILY}fs.http.Trigger": "core.http.Trigger",
    f"{_FAMILY}core.condition.VariableCondition": "core.condition.Expression",
    "io.kestra.core.models.conditions.types.VariableCondition": "core.condition.Expression",
    "io.kestra.core.models.tasks.runners.types.ProcessTaskRunner": "core.runner.Process",
    "io.kestra.plugin.scripts.runner.docker.DockerTaskRunner": "scripts.runner.docker.Docker",
}
"""Types that have another name now."""


def _aliases() -> dict[str, str]:
    found = {}
    for old, (new, names) in _MOVED.items():
        found.update({f"{_OLD}{old}.{name}": f"{new}.{name}" for name in names})
    found.update({f"io.kestra.core.models.triggers.types.{name}": f"core.trigger.{name}" for name in _TRIGGERS})
    for name in _CONDITIONS:
        kept = f"{name}Condition" if name in _KEPT_SUFFIX else name
        found[f"io.kestra.core.models.conditions.types.{name}Condition"] = f"core.condition.{kept}"
        if kept == name:
            found[f"{_FAMILY}core.condition.{name}Condition"] = f"core.condition.{name}"
    found.update(_RENAMED)
    found.update({alias.removeprefix(_FAMILY): name for alias, name in found.items() if alias.startswith(_FAMILY)})
    return {alias: f"{_FAMILY}{name}" for alias, name in found.items()}


ALIASES: dict[str, str] = _aliases()


def _old_names() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for old, new in ALIASES.items():
        found[new] = (*found.get(new, ()), old)
    return found


OLD_NAMES: dict[str, tuple[str, ...]] = _old_names()
"""Full type name to the names that it had."""
