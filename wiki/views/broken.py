"""What an error on our side looks like. 503 where trying again may help; what was being written stays on the page."""

from __future__ import annotations

import sys

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.template.loader import render_to_string
from django.views.defaults import server_error

from wiki.outages import RETRY_AFTER, is_outage


def broken(request: HttpRequest) -> HttpResponse:
    """Called while the error is handled. Asks nothing of the database, not even who is signed in."""
    if not is_outage(sys.exc_info()[1]):
        return server_error(request)
    context = {
        "written": request.method == "POST",
        "document": request.POST.get("document"),
        "expected": request.POST.get("expected", ""),
        "summary": request.POST.get("summary", ""),
        "path": request.get_full_path(),
        "csrf_token": get_token(request),
    }
    headers = {"Retry-After": str(RETRY_AFTER), "Cache-Control": "no-store"}
    return HttpResponse(render_to_string("503.html", context), status=503, headers=headers)
