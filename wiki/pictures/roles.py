"""Roles in pictures: a hue from a palette of eight, and initials, since hues repeat and some readers see none."""

from __future__ import annotations

from collections.abc import Iterable

HUES = 8
NO_ROLE = "role-none"


def hues(roles: Iterable[str]) -> dict[str, str]:
    """The class of each role, in the order they first appear."""
    known = dict.fromkeys(role for role in roles if role)
    return {role: f"role-{index % HUES + 1}" for index, role in enumerate(known)}


def initials(role: str) -> str:
    """`s-inhibition` is SI; `induction` is In."""
    parts = [part for part in role.split("-") if part]
    return "".join(part[0] for part in parts[:3]).upper() if len(parts) > 1 else role[:2].capitalize()


def spoken(role: str) -> str:
    """`name-mover` is "name mover", `s-inhibition` is "S-inhibition"."""
    first, *rest = role.split("-")
    return f"{first.upper()}-{' '.join(rest)}" if len(first) == 1 and rest else " ".join((first, *rest))
