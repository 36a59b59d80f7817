"""What operators see: log lines with the run's and the request's id, and errors sent to Sentry. Secrets in neither."""

from __future__ import annotations

import logging
import re
import time
import tomllib
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any
from uuid import uuid4

import structlog
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject
from structlog.contextvars import bound_contextvars, get_contextvars
from structlog.typing import EventDict, WrappedLogger

log = logging.getLogger("interpedia.request")

SECRETS = (
    r"(\w+://[^\s:/@]*:)[^\s@]+(?=@)",  # the password in an address
    r"(/welcome/|/password/reset/key/)[^\s/?'\"{<]+",  # links that work once
    r"(?i)\b((?:token|bearer)\s+)[\w.~+/=-]{16,}",
    r"(?i)((?:seed|password|secret|token|secret_key|dsn)[\"']?\s*[:=]\s*[\"']?)[^\s\"',;&}]{8,}",
)
SECRET = tuple(map(re.compile, SECRETS))
HIDDEN = r"\1…"
OF_A_RECORD = ("timestamp", "level", "logger", "event", "exception", "stack")
REQUEST_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)

_request: ContextVar[HttpRequest | None] = ContextVar("request", default=None)


def logging_settings(form: str) -> dict[str, Any]:
    """Everything to stderr, through one formatter. form: `text` for people, `json` (one object a line) for machines."""
    if form not in RENDERERS:
        raise ImproperlyConfigured(f"LOG_FORMAT={form!r} is not known; write one of {', '.join(RENDERERS)}")
    formatter = {"()": structlog.stdlib.ProcessorFormatter, "processors": [*PROCESSORS, RENDERERS[form]]}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"events": {"()": "django.utils.log.CallbackFilter", "callback": _is_an_event}},
        "formatters": {form: formatter},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": form}},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {
            "interpedia": {"level": "INFO"},
            "interpedia.request": {
                "level": "INFO" if form == "json" else "WARNING"
            },  # one line a request: for machines
            "django.request": {"level": "ERROR", "filters": ["events"]},  # a page that is not there is no event
            "gunicorn.error": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
            "kombu.connection": {"level": "ERROR"},  # says at every start that the embedded broker has no host name
        },
    }


def redacted(text: str) -> str:
    for secret in SECRET:
        text = secret.sub(HIDDEN, text)
    return text


def _is_an_event(record: logging.LogRecord) -> bool:
    """What /readyz has to say it says itself, as often as it is asked; it is no error of that page."""
    return getattr(getattr(record, "request", None), "path", "") != "/readyz"


def _add_user(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """The number of the person whose request it is, if anything asked who that is: a log line must not ask itself."""
    request = _request.get()
    if request is not None:
        asked = vars(request).get("_cached_user") or vars(request).get("user")
        person = None if type(asked) is SimpleLazyObject else asked
        if person is not None and person.pk is not None:
            event["user_id"] = person.pk
    return event


def _hide_secrets(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    return {key: redacted(value) if isinstance(value, str) else value for key, value in event.items()}


def _as_text(logger: WrappedLogger, name: str, event: EventDict) -> str:
    context = "".join(f" {key}={value}" for key, value in event.items() if key not in OF_A_RECORD)
    level = str(event["level"]).upper()
    line = f"{event['timestamp']} {level} {event['logger']}: {event['event']}{f' [{context[1:]}]' if context else ''}"
    return "\n".join([line, *(str(event[key]) for key in ("exception", "stack") if event.get(key))])


PROCESSORS = (
    structlog.contextvars.merge_contextvars,
    _add_user,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
    structlog.processors.format_exc_info,
    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
    _hide_secrets,
)
RENDERERS: dict[str, Any] = {"text": _as_text, "json": structlog.processors.JSONRenderer(ensure_ascii=False)}


def request_context(answer: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: every line logged for a request carries its id, and so does the answer (X-Request-ID)."""

    def with_context(request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        request_id = given if REQUEST_ID.fullmatch(given) else uuid4().hex
        token, begun = _request.set(request), time.perf_counter()
        with bound_contextvars(request_id=request_id):
            response = answer(request)
            milliseconds = round((time.perf_counter() - begun) * 1000, 1)
            route = request.resolver_match.route if request.resolver_match else "none"
            with bound_contextvars(method=request.method, route=route, status=response.status_code, ms=milliseconds):
                log.info("answered")
        _request.reset(token)
        response["X-Request-ID"] = request_id
        return response

    return with_context


def report_errors(dsn: str) -> None:
    """Errors go to Sentry from now on: where in the code, in which run and request; no bodies, addresses or values.

    auto_enabling_integrations: others would be enabled merely because a library of theirs is installed.
    """
    import sentry_sdk
    from sentry_sdk.integrations.celery import CeleryIntegration
    from sentry_sdk.integrations.django import DjangoIntegration

    sentry_sdk.init(
        dsn,
        integrations=[DjangoIntegration(), CeleryIntegration()],
        auto_enabling_integrations=False,
        send_default_pii=False,
        max_request_body_size="never",
        include_local_variables=False,
        max_breadcrumbs=0,
        release=f"interpedia@{version()}",
        before_send=_discreet,
    )


def version() -> str:
    project = Path(__file__).resolve().parent.parent / "pyproject.toml"
    return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])


def _discreet(event: Any, hint: dict[str, Any]) -> Any:
    """The event with what it happened in as tags, without the request's address and headers, and secrets hidden."""
    event["tags"] = {**event.get("tags", {}), **{key: str(value) for key, value in get_contextvars().items()}}
    if "request" in event:
        event["request"] = {"method": event["request"].get("method")}
    event.pop("extra", None)
    return _hidden(event)


def _hidden(value: Any) -> Any:
    match value:
        case str():
            return redacted(value)
        case dict():
            return {key: _hidden(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_hidden(inner) for inner in value]
        case _:
            return value
