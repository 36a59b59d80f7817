"""Errors as application/problem+json (RFC 9457): what is wrong, where, and what to change."""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler

from wiki.actions import Conflict
from wiki.outages import RETRY_AFTER, is_outage
from workers.engine.documents.document import Invalid, Problem

log = logging.getLogger("interpedia.api")
MEDIA_TYPE = "application/problem+json"


class Unacceptable(exceptions.APIException):
    """A document or a query that cannot be accepted, with every problem it has."""

    status_code = 400
    default_detail = "This cannot be accepted as it stands."

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__()
        self.problems = problems


class Overtaken(exceptions.APIException):
    """Somebody else's revision came first; both are in the answer."""

    status_code = 409
    default_detail = "The entry was changed since the revision you started from. Merge the two and send it again."

    def __init__(self, conflict: Conflict) -> None:
        super().__init__()
        self.conflict = conflict


class Unavailable(exceptions.APIException):
    """The database or the broker cannot be used just now. wait: seconds, sent as Retry-After."""

    status_code = 503
    default_detail = "The database cannot be used just now, so nothing was saved. Send it again in a while."
    wait = RETRY_AFTER


def handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler: every error of the API is a problem document."""
    response = exception_handler(_as_api_error(error), context)
    if response is None:
        return None
    response.data = _problem(error, response)
    response.content_type = MEDIA_TYPE
    return response


def _as_api_error(error: Exception) -> Exception:
    match error:
        case Http404():
            return exceptions.NotFound()
        case PermissionDenied():
            return exceptions.PermissionDenied(str(error) or None)
        case _ if is_outage(error):
            log.error("answered 503: %s", error)
            return Unavailable()
        case _:
            return error


def _problem(error: Exception, response: Response) -> dict[str, Any]:
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": response.status_text,
        "status": response.status_code,
        "detail": _detail(response.data),
    }
    match error:
        case Unacceptable():
            document["problems"] = [{"path": item.path, "message": item.message} for item in error.problems]
        case Overtaken():
            document["current"] = _revision(error.conflict.current)
            document["sent"] = error.conflict.sent
        case exceptions.ValidationError():
            document["problems"] = list(_flat(error.detail))
            document["detail"] = Unacceptable.default_detail
    return document


def _revision(revision: Any) -> dict[str, Any]:
    return {"number": revision.number, "sha256": revision.sha256, "document": revision.document.values()}


def _detail(data: Any) -> str:
    return str(data["detail"]) if isinstance(data, dict) and "detail" in data else ""


def _flat(detail: Any, path: str = "") -> Any:
    if isinstance(detail, dict):
        for key, value in detail.items():
            yield from _flat(value, f"{path}.{key}".strip("."))
    elif isinstance(detail, list):
        for value in detail:
            yield from _flat(value, path)
    else:
        yield {"path": path, "message": str(detail)}


def refusal(error: Invalid) -> Unacceptable:
    """The API's error for a document's problems."""
    return Unacceptable(error.problems)
