"""How pages write states, numbers and slugs. Nothing is decided here."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from wiki.models import Finding
from wiki.models.finding import BadgeState
from wiki.pictures import mark as marks
from wiki.pictures import roles, svg
from workers.engine.cost import work

register = template.Library()
register.filter("figure", svg.figure)
register.filter("operations", work)
register.filter("initials", roles.initials)
register.filter("spoken", roles.spoken)
register.simple_tag(marks.mark, name="mark")


@register.inclusion_tag("wiki/_badge.html")
def badge(finding: Finding, large: bool = False) -> dict[str, Any]:
    return {"state": finding.badge, "label": finding.get_badge_display(), "large": large}


@register.simple_tag
def badge_word(state: str) -> SafeString:
    """A state's shape and word, not linked."""
    return format_html(
        '<span class="badge state-{}">{}{}</span>', slug(state), marks.mark(state), BadgeState(state).label
    )


@register.filter
def slug(state: str) -> str:
    """`partly_verified` as a class name."""
    return state.replace("_", "-")


@register.filter
def spaced(key: str) -> str:
    """`activation_patching` and `ov_copying` as words: "activation patching", "OV copying"."""
    return " ".join("OV" if word == "ov" else word for word in key.split("_"))


@register.filter
def hyphened(key: str) -> str:
    """`activation_patching` as an address has it."""
    return key.replace("_", "-")


@register.filter
def interval(ends: tuple[float, float]) -> str:
    return f"{svg.figure(ends[0])} to {svg.figure(ends[1])}"


@register.filter
def memory(mebibytes: int) -> str:
    return f"{mebibytes / 1024:,.1f} GiB"
