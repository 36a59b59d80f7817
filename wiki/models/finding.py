"""Findings, nodes and edges: the projection of a finding's current revision, rebuilt by `wiki.projection`."""

from __future__ import annotations

import json

from django.db import models
from django.db.models import Q
from django.urls import reverse

from wiki.models.entry import Entry


class BadgeState(models.TextChoices):
    PROPOSED = "proposed", "Proposed"
    CHECKING = "checking", "Checking"
    REFUTED = "refuted", "Refuted"
    VERIFIED = "verified", "Verified"
    PARTLY_VERIFIED = "partly_verified", "Partly verified"
    UNDECIDED = "undecided", "Undecided"


class FindingQuerySet(models.QuerySet["Finding"]):
    def with_everything(self) -> FindingQuerySet:
        """What a finding's page needs, in a fixed number of queries."""
        related = self.select_related("behavior", "model", "entry__current")
        return related.prefetch_related(
            "nodes", "edges", "entry__withdrawals", "claims__measurement", "claims__control", "claims__expectation"
        )


class Finding(models.Model):
    """`badge` and its words are a cache of the pure function `workers.engine.badge`, refreshed with every run and edit.

    badge_detail: the whole Badge document (coverage of nodes and edges, counts, notes) as canonical JSON text.
    """

    entry = models.OneToOneField(Entry, on_delete=models.CASCADE, primary_key=True, related_name="finding")
    slug = models.SlugField(max_length=80, unique=True)
    title = models.CharField(max_length=200)
    summary = models.TextField(blank=True)
    behavior = models.ForeignKey(Entry, on_delete=models.PROTECT, related_name="findings_of_behavior")
    model = models.ForeignKey(Entry, on_delete=models.PROTECT, related_name="findings_of_model")
    circuit_hash = models.CharField(max_length=71, db_index=True)
    html = models.TextField(blank=True)
    badge = models.CharField(max_length=16, choices=BadgeState, default=BadgeState.PROPOSED, db_index=True)
    badge_reason = models.CharField(max_length=500, blank=True)
    badge_detail = models.TextField(default="{}")
    updated_at = models.DateTimeField()

    objects = FindingQuerySet.as_manager()

    class Meta:
        ordering = ["-updated_at", "slug"]
        constraints = [
            models.CheckConstraint(condition=Q(badge__in=BadgeState.values), name="finding_badge_is_known"),
        ]

    def __str__(self) -> str:
        return self.slug

    def get_absolute_url(self) -> str:
        return reverse("finding", args=[self.slug])

    def roles_tested(self) -> dict[tuple[str, str], str]:
        """What the roles' own tests say of the nodes, by component and role, as the badge has it."""
        return {(node, role): tested for node, role, tested in json.loads(self.badge_detail).get("roles", [])}


class Node(models.Model):
    """A component of a circuit with its role. layer and head are null where the component has none."""

    finding = models.ForeignKey(Finding, on_delete=models.CASCADE, related_name="nodes")
    component = models.CharField(max_length=60)
    kind = models.CharField(max_length=10)
    layer = models.PositiveIntegerField(null=True)
    head = models.PositiveIntegerField(null=True)
    position = models.CharField(max_length=40, blank=True)
    role = models.SlugField(max_length=80, blank=True)
    note = models.TextField(blank=True)
    coverage = models.CharField(max_length=40, blank=True)

    class Meta:
        ordering = ["layer", "head", "component"]
        indexes = [models.Index(fields=["layer", "head"])]
        constraints = [
            models.UniqueConstraint(fields=["finding", "component", "role"], name="node_once_per_role"),
        ]

    def __str__(self) -> str:
        return self.component

    @property
    def role_tested(self) -> str:
        """What its role's own test says of it; empty for a node without a role."""
        return self.finding.roles_tested().get((self.component, self.role), "not_tested") if self.role else ""


class Edge(models.Model):
    finding = models.ForeignKey(Finding, on_delete=models.CASCADE, related_name="edges")
    sender = models.CharField(max_length=60)
    receiver = models.CharField(max_length=60)
    coverage = models.CharField(max_length=40, blank=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.sender} -> {self.receiver}"
