"""Entries and their immutable revisions: one mechanism for behaviors, models, roles, findings and notes."""

from __future__ import annotations

from functools import cached_property

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse

from workers.engine.documents import kinds


class Kind(models.TextChoices):
    BEHAVIOR = "behavior"
    MODEL = "model"
    ROLE = "role"
    FINDING = "finding"
    NOTE = "note"


class EntryQuerySet(models.QuerySet["Entry"]):
    def of_kind(self, kind: str) -> EntryQuerySet:
        return self.filter(kind=kind).select_related("current")


class RevisionQuerySet(models.QuerySet["Revision"]):
    def pinned(self, kind: str, slug: str, sha256: str) -> Revision | None:
        """The revision of that entry with that content; a content that came back by a revert stands twice."""
        found = self.filter(entry__kind=kind, entry__slug=slug, sha256=sha256)
        return found.select_related("entry").order_by("number").first()


class Entry(models.Model):
    """What people edit. `current` is its newest revision; a new revision moves it, nothing is overwritten."""

    kind = models.CharField(max_length=10, choices=Kind)
    slug = models.SlugField(max_length=80)
    title = models.CharField(max_length=200)
    current = models.OneToOneField("Revision", on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = EntryQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "slug"], name="entry_slug_once_per_kind"),
            models.CheckConstraint(condition=Q(kind__in=Kind.values), name="entry_kind_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.slug}"

    def get_absolute_url(self) -> str:
        return reverse(self.kind, args=[self.slug])


class Revision(models.Model):
    """A whole document at one time: its canonical text and the sha256 of that text. Append-only, by trigger.

    agent: which of the author's tokens sent it, by its first characters (empty: written on a page).
    """

    entry = models.ForeignKey(Entry, on_delete=models.PROTECT, related_name="revisions")
    number = models.PositiveIntegerField()
    text = models.TextField()
    sha256 = models.CharField(max_length=71, db_index=True)
    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="+")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="revisions")
    agent = models.CharField(max_length=20, blank=True)
    summary = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = RevisionQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["entry", "number"], name="revision_number_once_per_entry"),
            models.CheckConstraint(
                condition=Q(number=1, parent__isnull=True) | Q(number__gt=1, parent__isnull=False),
                name="revision_has_a_parent_unless_first",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.entry} r{self.number}"

    @cached_property
    def document(self) -> kinds.EntryDocument:
        """The revision's text as its document type."""
        return kinds.DOCUMENTS[self.entry.kind].read(self.text)
