"""Small answers: the embeddable badge, robots.txt and llms.txt."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from wiki.models import Finding
from wiki.pictures.badge import badge as badge_picture

BADGE_AGE = 60  # seconds a badge may be shown from a cache
ROBOTS = "User-agent: *\nDisallow: /accounts/\nDisallow: /account/\nDisallow: /*/edit/\n"


def badge(request: HttpRequest, slug: str) -> HttpResponse:
    found = get_object_or_404(Finding.objects.only("badge", "badge_reason", "title"), slug=slug)
    drawn = badge_picture(found.badge, found.get_badge_display(), found.badge_reason, found.title)
    headers = {"Cache-Control": f"public, max-age={BADGE_AGE}"}
    return HttpResponse(drawn, content_type="image/svg+xml; charset=utf-8", headers=headers)


def robots(request: HttpRequest) -> HttpResponse:
    return HttpResponse(ROBOTS, content_type="text/plain")


def llms(request: HttpRequest) -> HttpResponse:
    """What a program that reads this site should know."""
    site = request.build_absolute_uri("/")
    return render(request, "wiki/llms.txt", {"site": site}, content_type="text/plain; charset=utf-8")
