"""Errors as the API tells them: a status, a sentence, and its place where there is one.

The body speaks the vocabulary of the older API (`message`, `_embedded.errors`) and that of RFC 9457 (`type`, `title`,
`status`, `detail`, `errors`), so that clients of both understand it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec
from aiohttp import web

from engine.definition.diagnostic import Diagnostic, path_text
from engine.errors import (
    Conflict,
    Expired,
    ExpressionError,
    InvalidFlow,
    InvalidInputs,
    Malformed,
    NotFound,
    Refused,
    StorageError,
    TaskError,
    TidegateError,
    Unavailable,
    Unsigned,
)

TYPES = "https://kestra.io/docs/api-reference/problems/"


class BadRequest(TidegateError):
    """What is asked for does not go as things are; clients of the API expect a 400 there."""


class NotDone(BadRequest):
    """Nothing was done to several things, for it can't be done to some: why, by their ids."""

    def __init__(self, message: str, invalids: Mapping[str, str]) -> None:
        self.invalids = dict(invalids)
        super().__init__(message)


class BadQuery(BadRequest):
    """A query parameter that can't be understood; says what would be right."""


class BadFilter(BadQuery):
    """A filter that can't be understood; says what would be right."""


class Illegal(TidegateError):
    """A value in the request that can't be accepted: the reference calls it an illegal argument."""


class Denied(TidegateError):
    """The user lacks the right; the message names the role that has it."""


class Unauthenticated(TidegateError):
    """Nobody said who asks, or what he said is not so. `user`: whose password was wrong."""

    def __init__(self, message: str, user: str = "") -> None:
        self.user = user
        super().__init__(message)


class TooMany(TidegateError):
    """Too many requests or failures; `seconds` says when the next one may come."""

    def __init__(self, reason: str, seconds: float) -> None:
        self.seconds = max(1, math.ceil(seconds))
        super().__init__(f"{reason}: try again in {self.seconds} s")


class Unknown(TidegateError):
    """There is nothing for whoever asks; whatever the reason, it is told in the same words."""

    def __init__(self) -> None:
        super().__init__("Flow not found")


class Problem(NamedTuple):
    """What is told of an error.

    kind: the last part of its type
    front: how the older API begins the sentence
    errors: texts by place
    invalids: the places are ids of things that something could not be done to
    """

    status: int
    kind: str
    front: str
    detail: str
    errors: Sequence[tuple[str, str]] = ()
    invalids: bool = False


def problem_of(error: Exception) -> Problem:
    """The problem that an error of the engine is for whoever asked."""
    match error:
        case NotFound() | Unknown():
            return Problem(404, "not-found", "Not Found: ", str(error))
        case InvalidFlow():
            found = [_placed(item) for item in error.diagnostics if item.severity == "error"]
            return Problem(422, "invalid-entity", "Invalid entity: ", ", ".join(text for _, text in found), found)
        case InvalidInputs():
            places = list(error.problems.items())
            return Problem(422, "validation-failed", "Invalid entity: ", "\n".join(text for _, text in places), places)
        case Expired():
            return Problem(410, "resource-expired", "Resource has expired: ", str(error))
        case Illegal() | Malformed() | ExpressionError() | TaskError() | StorageError():
            return Problem(422, "invalid-argument", "Illegal argument: ", str(error))
        case Conflict() | Refused():
            return Problem(409, "conflict", "Illegal state: ", str(error))
        case Unauthenticated() | Unsigned():
            return Problem(401, "unauthenticated", "Unauthorized: ", str(error))
        case TooMany():
            return Problem(429, "too-many-requests", "Too Many Requests: ", str(error))
        case Denied():
            return Problem(403, "forbidden", "Forbidden: ", str(error))
        case BadFilter():
            return Problem(400, "invalid-query-filters", "Invalid query filters: ", str(error))
        case BadQuery():
            return Problem(400, "invalid-query-parameter", "Bad Request: ", str(error))
        case NotDone():
            places = list(error.invalids.items())
            return Problem(400, "bulk-validation-failed", "", str(error), places, invalids=True)
        case BadRequest():
            return Problem(400, "bad-request", "Bad Request: ", str(error))
        case msgspec.DecodeError():
            return Problem(422, "invalid-json", "Invalid json: ", str(error))
        case Unavailable():
            return Problem(
                503, "service-unavailable", "Service unavailable: ", f"{error}; nothing was changed, try again"
            )
    return Problem(500, "internal-error", "Internal server error: ", "A fault of the engine; its log has the details")


def _placed(item: Diagnostic) -> tuple[str, str]:
    return path_text(item.path), f"{item.message} (line {item.line}, column {item.column})"


def body_of(problem: Problem, path: str) -> dict[str, Any]:
    """The JSON body of a problem."""
    body: dict[str, Any] = {
        "message": f"{problem.front}{problem.detail}",
        "type": f"{TYPES}{problem.kind}",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "instance": path,
        "_links": {"self": [{"href": path, "templated": False}]},
    }
    if problem.invalids:
        body["invalids"] = [{"message": text, "invalidValue": place} for place, text in problem.errors]
    elif problem.errors:
        body["errors"] = [{"path": place, "detail": text} for place, text in problem.errors]
        body["_embedded"] = {"errors": [{"path": place, "message": text} for place, text in problem.errors]}
    return body


def answer_of(problem: Problem, path: str) -> web.Response:
    """The response that tells a problem."""
    try:
        body = msgspec.json.encode(body_of(problem, path))
    except UnicodeEncodeError:
        # It repeats what was sent, and a header may hold bytes that are no text.
        shown = problem._replace(detail=_readable(problem.detail), errors=())
        body = msgspec.json.encode(body_of(shown, _readable(path)))
    return web.Response(body=body, status=problem.status, content_type="application/json")


def _readable(text: str) -> str:
    return text.encode(errors="replace").decode()


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

WEBHOOKS = "/executions/webhook/"
"""Behind it an address holds a secret."""


def shown_path(request: web.Request) -> str:
    """The path of a request as it may be told."""
    front, webhook, rest = request.path.partition(WEBHOOKS)
    return f"{front}{webhook}{'/'.join(rest.split('/')[:2])}" if webhook else request.path


@web.middleware
async def tell_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every error with a problem; one that nobody foresaw goes to the log of the process too."""
    try:
        return await handler(request)
    except web.HTTPException as refusal:
        if refusal.status < 400:
            raise
        return _refused(request, refusal)
    except Unauthenticated as error:
        answer = answer_of(problem_of(error), shown_path(request))
        if request.headers.get("Sec-Fetch-Dest") != "empty" and "Cookie" not in request.headers:
            # A page asks for the password itself; the browser must not.
            answer.headers["WWW-Authenticate"] = 'Basic realm="Tidegate", charset="UTF-8"'
        return answer
    except TooMany as error:
        answer = answer_of(problem_of(error), shown_path(request))
        answer.headers["Retry-After"] = str(error.seconds)
        return answer
    except (TidegateError, msgspec.DecodeError) as error:
        return answer_of(problem_of(error), shown_path(request))
    except ConnectionResetError:
        raise
    except Exception as fault:
        # A fault in one request must not stop the server; the operator reads of it.
        logging.getLogger("tidegate").exception("%s %s: %s", request.method, shown_path(request), fault)
        return answer_of(problem_of(fault), shown_path(request))


def _refused(request: web.Request, refusal: web.HTTPException) -> web.Response:
    kinds = {404: "not-found", 405: "method-not-allowed", 413: "payload-too-large", 415: "unsupported-media-type"}
    detail = refusal.text or refusal.reason
    if refusal.status == 404:
        detail = f"There is nothing at {shown_path(request)}"
    elif refusal.status == 405:
        detail = (
            f"{request.method} is not possible at {shown_path(request)}, but {refusal.headers.get('Allow', 'nothing')}"
        )
    problem = Problem(refusal.status, kinds.get(refusal.status, "bad-request"), f"{refusal.reason}: ", detail)
    answer = answer_of(problem, shown_path(request))
    answer.headers.update(
        {name: value for name, value in refusal.headers.items() if name in ("Allow", "Content-Range")}
    )
    return answer
