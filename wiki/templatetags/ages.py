"""How pages write how long ago something was."""

from __future__ import annotations

from datetime import datetime, timedelta

from django import template

register = template.Library()


@register.filter
def age(passed: timedelta | None) -> str:
    """In whole units, the largest that fits: `45 s`, `12 min`, `3 h 20 min`, `5 d`."""
    if passed is None:
        return "–"
    seconds = max(int(passed.total_seconds()), 0)
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86_400
    if days >= 2:
        return f"{days} d"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{seconds} s"


@register.filter
def since(now: datetime, then: datetime) -> timedelta:
    return now - then
