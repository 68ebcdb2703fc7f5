"""What decides how the tasks of a flow follow each other, a file for each kind of block."""

from plugins.core.flow.approval import Approval
from plugins.core.flow.choice import If, Switch
from plugins.core.flow.each import EachParallel, EachSequential, ForEach
from plugins.core.flow.each_item import ForEachItem, ForEachItemBatches, ForEachItemMerge, ForEachItemSplit
from plugins.core.flow.loop import Loop
from plugins.core.flow.pause import Pause
from plugins.core.flow.sequence import AllowFailure, Dag, Parallel, Sequential
from plugins.core.flow.sleep import Sleep
from plugins.core.flow.subflow import Subflow
from plugins.core.flow.template import Template
from plugins.core.flow.until import LoopUntil
from plugins.core.flow.working_directory import WorkingDirectory

__all__ = [
    "AllowFailure",
    "Approval",
    "Dag",
    "EachParallel",
    "EachSequential",
    "ForEach",
    "ForEachItem",
    "ForEachItemBatches",
    "ForEachItemMerge",
    "ForEachItemSplit",
    "If",
    "Loop",
    "LoopUntil",
    "Parallel",
    "Pause",
    "Sequential",
    "Sleep",
    "Subflow",
    "Switch",
    "Template",
    "WorkingDirectory",
]
