"""/metrics for Prometheus: requests, counted over all web processes, and the queue as it stands."""

from __future__ import annotations

import ipaddress
import os
from secrets import compare_digest

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from wiki.metrics import QueueCollector

FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via")
WHO_MAY = "Metrics are read with the token METRICS_TOKEN names (Authorization: Bearer …), or by a signed-in steward."


def metrics(request: HttpRequest) -> HttpResponse:
    if not _may_read(request):
        problem = {"type": "about:blank", "title": "Forbidden", "status": 403, "detail": WHO_MAY}
        return JsonResponse(problem, status=403, content_type="application/problem+json")
    counted = generate_latest(_of_requests()) + generate_latest(_of_the_queue())
    return HttpResponse(counted, content_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})


def _of_requests() -> CollectorRegistry:
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return registry


def _of_the_queue() -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(QueueCollector())
    return registry


def _may_read(request: HttpRequest) -> bool:
    """Asked in this order, so that a scrape with the token needs no session, and thus no database."""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if given:
        right = compare_digest(given.strip().encode(), settings.METRICS_TOKEN.encode())
        return bool(settings.METRICS_TOKEN) and scheme.lower() == "bearer" and right
    if not settings.METRICS_TOKEN and _is_from_this_machine(request):
        return True
    return bool(request.user.is_active and request.user.is_staff)


def _is_from_this_machine(request: HttpRequest) -> bool:
    """What a proxy hands on comes from its own address, so where one stands before the site nobody is local."""
    if settings.ORIGIN or any(name in request.headers for name in FORWARDED):
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
