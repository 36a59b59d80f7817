"""Whether this process answers, and whether what it stands on does. No session is read, no cookie set."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse

from wiki.readiness import readiness

NOT_STORED = {"Cache-Control": "no-store"}


def healthz(request: HttpRequest) -> HttpResponse:
    """200 as long as the process answers, whatever becomes of the database: a start anew would not mend that."""
    return HttpResponse("ok\n", content_type="text/plain", headers=NOT_STORED)


def readyz(request: HttpRequest) -> HttpResponse:
    """503 unless database and broker answer. What is not known, or of nothing, is null."""
    found = readiness()
    pulse = found.pulse
    answer = {
        "ready": found.ready,
        "database": found.database,
        "broker": found.broker,
        "oldest_waiting_s": pulse and _rounded(pulse.oldest_waiting),
        "last_claim_s": pulse and _rounded(pulse.last_claim),
        "workers": pulse and pulse.workers,
    }
    return JsonResponse(answer, status=200 if found.ready else 503, headers=NOT_STORED)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
