"""/api/v1/roles/"""

from __future__ import annotations

from api.entries import EntrySet
from wiki.models import Kind


class RoleSet(EntrySet):
    """Roles of heads and MLPs, with the operational test that decides each."""

    kind = Kind.ROLE
