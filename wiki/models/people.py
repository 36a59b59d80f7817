"""People are Django's users; a steward is one who is staff, and may register models. Nobody is deleted."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q


class StewardLink(models.Model):
    """A link that makes its holder the steward, once. Only its token's sha256 is kept."""

    token_sha256 = models.CharField(max_length=71, unique=True)
    made_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField(null=True)
    used_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(used_at__isnull=True, used_by__isnull=True)
                | Q(used_at__isnull=False, used_by__isnull=False),
                name="steward_link_is_used_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return f"steward link of {self.made_at:%Y-%m-%d}"
