"""Search over findings: one function, whatever the database offers."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from wiki.models import Finding

FIELDS = (
    *("title", "summary", "slug", "behavior__title", "behavior__slug", "model__title", "model__slug"),
    *("claims__sentence", "claims__statement", "nodes__component", "nodes__role"),
)
MOST_WORDS = 8


def findings(text: str) -> QuerySet[Finding]:
    """Findings in which every word of the text stands somewhere."""
    found = Finding.objects.all()
    for word in text.split()[:MOST_WORDS]:
        somewhere = Q()
        for field in FIELDS:
            somewhere |= Q(**{f"{field}__icontains": word})
        found = found.filter(pk__in=Finding.objects.filter(somewhere).values("pk"))
    return found
