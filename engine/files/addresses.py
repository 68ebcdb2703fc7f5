"""Addresses of internal storage: `kestra:///NAMESPACE/FLOW/executions/ID/…`, the namespace's dots as slashes.

An address names a place below the storage's root and nothing else: no `..`, no empty or hidden step, no backslash.
"""

from __future__ import annotations

import hashlib
import re

from engine.errors import StorageError

SCHEME = "kestra://"
SLUG = re.compile(r"[^a-z0-9._-]+")
STEP_LIMIT = 255
LIMIT = 2048


def parts_of(address: str) -> tuple[str, ...]:
    """The steps of an address below the root. Raises StorageError for what is no address or leads elsewhere."""
    if not address.startswith(f"{SCHEME}/"):
        raise StorageError(f"'{address}' is not an address of internal storage: it must begin with {SCHEME}/")
    steps = tuple(step for step in address[len(SCHEME) + 1 :].split("/") if step)
    if not steps:
        raise StorageError(f"'{address}' names no file")
    for step in steps:
        if problem := _problem(step):
            raise StorageError(f"The address {address[:LIMIT]!r} is refused: {problem}")
    if len(address.encode()) > LIMIT:
        raise StorageError(f"The address '{address[:80]}…' is refused: it is longer than {LIMIT} bytes")
    return steps


def _problem(step: str) -> str:
    """Why a step can't be part of an address; empty when it can."""
    if step in (".", "..") or "\\" in step or "\0" in step:
        return "no step of it may be '.', '..' or hold a backslash or a zero byte"
    try:
        size = len(step.encode())
    except UnicodeEncodeError:
        return f"{step!r} is no text in UTF-8"
    return f"'{step[:40]}…' is longer than {STEP_LIMIT} bytes" if size > STEP_LIMIT else ""


def slug(text: str) -> str:
    """A task or flow id as it stands in an address: lower case, other characters than letters and digits as `-`."""
    return SLUG.sub("-", text.lower().replace("_", "-")).strip("-") or "-"


def namespace_folder(namespace: str) -> str:
    """Where the files of a namespace lie."""
    return f"{SCHEME}/{namespace.replace('.', '/')}/_files"


def flow_folder(namespace: str, flow: str) -> str:
    return f"{SCHEME}/{namespace.replace('.', '/')}/{slug(flow)}"


def execution_folder(namespace: str, flow: str, execution: str) -> str:
    return f"{flow_folder(namespace, flow)}/executions/{execution}"


def task_folder(namespace: str, flow: str, execution: str, task: str, task_run: str) -> str:
    return f"{execution_folder(namespace, flow, execution)}/tasks/{slug(task)}/{task_run}"


def cache_file(namespace: str, flow: str, task: str, value: str | None) -> str:
    """Where a task keeps files of its working directory for its next run, for each loop value apart."""
    of_value = "" if value is None else f"{hashlib.sha256(value.encode()).hexdigest()[:32]}/"
    return f"{flow_folder(namespace, flow)}/{slug(task)}/cache/{of_value}cache.zip"


def input_file(namespace: str, flow: str, execution: str, input: str, name: str) -> str:
    return f"{execution_folder(namespace, flow, execution)}/inputs/{input}/{name}"
