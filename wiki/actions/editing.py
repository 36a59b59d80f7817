"""Editing entries: every change is a new revision, and what follows from it is written in the same transaction."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.core.exceptions import PermissionDenied

from wiki import bundles, evidence, projection
from wiki.actions.queueing import queue
from wiki.models import Claim, Entry, Finding, Kind, Measurement, Outcome, Revision, Withdrawal
from wiki.turns import evidence_turn
from workers.engine.cost import cost_of
from workers.engine.documents import finding as documents
from workers.engine.documents import measurement as measurements
from workers.engine.documents.document import Invalid, Problem
from workers.engine.documents.kinds import DOCUMENTS, EntryDocument

Author = User | AnonymousUser | AbstractBaseUser | None
"""None is the site itself, loading its fixtures."""


NEW = ""
"""The address of an entry that is not there yet."""


class Conflict(Exception):
    """Somebody else's revision came first. current: theirs; sent: the document that was not saved."""

    def __init__(self, current: Revision | None, sent: dict[str, Any]) -> None:
        super().__init__("the entry was changed since the revision you started from")
        self.current = current
        self.sent = sent


def publish(
    kind: str,
    given: Any,
    author: Author,
    summary: str = "",
    expected_parent: str | None = None,
    *,
    agent: str = "",
    address: str | None = None,
) -> Revision:
    """A document (JSON text or values) as its entry's newest revision; the same content again makes none.

    expected_parent: sha256 of the revision the edit started from. agent: the token it came with. address: slug of the
    entry that it is an edit of, or NEW; None takes it as either. Raises Invalid with every problem, Conflict, and
    PermissionDenied.
    """
    _refuse_unless_allowed(kind, author)
    document = _read(kind, given)
    if address and document.slug != address:
        words = f"the entry is {address!r} and stays so; write a new entry for another slug"
        raise Invalid([Problem("slug", words)])
    _check_neighbors(document)
    html = projection.html_of(document)
    with evidence_turn():
        entry, _ = Entry.objects.get_or_create(kind=kind, slug=document.slug, defaults={"title": document.title})
        entry = Entry.objects.select_for_update().get(pk=entry.pk)
        if address == NEW and entry.current is not None:
            words = f"{entry.slug!r} exists already; take another name, or edit that one (PUT)"
            raise Invalid([Problem("slug", words)])
        if entry.current is not None and entry.current.sha256 == document.sha256:
            return entry.current
        if expected_parent is not None and (entry.current is None or entry.current.sha256 != expected_parent):
            raise Conflict(entry.current, document.values())
        revision = _add_revision(entry, document, author, summary, agent)
        _follow(entry, html)
    return revision


def revert(revision: Revision, author: Author, summary: str = "") -> Revision:
    """An old revision's content as the newest one."""
    words = summary or f"Back to revision {revision.number}"
    return publish(revision.entry.kind, revision.text, author, words)


def reproject(entry: Entry) -> None:
    """Rewrites what follows from the entry's current revision and the stored runs."""
    assert entry.current is not None
    html = projection.html_of(entry.current.document)
    with evidence_turn():
        finding = projection.project(entry, html)
        if finding is not None:
            evidence.refresh(finding)


def estimate_anew() -> None:
    """Rewrites what each stored measurement is estimated to take."""
    for row in Measurement.objects.iterator(chunk_size=100):
        cost = cost_of(measurements.Measurement.read(row.text))
        Measurement.objects.filter(pk=row.pk).update(cost=cost.operations, memory=cost.memory)


def _read(kind: str, given: Any) -> EntryDocument:
    if kind not in DOCUMENTS:
        raise Invalid([Problem("kind", f"{kind!r} is not a kind of entry; known: {', '.join(DOCUMENTS)}")])
    return DOCUMENTS[kind].read(given) if isinstance(given, str | bytes) else DOCUMENTS[kind].from_json(given)


def _refuse_unless_allowed(kind: str, author: Author) -> None:
    if author is None:
        return
    if not isinstance(author, User) or not author.is_active:
        raise PermissionDenied("sign in to edit")
    if kind == Kind.MODEL and not author.is_staff:
        raise PermissionDenied("models are registered by stewards, since workers load their weights")


def _check_neighbors(document: EntryDocument) -> None:
    """Raises Invalid with what the document's neighbors show to be wrong with it."""
    if isinstance(document, documents.Finding):
        bundles.of_document(document).checked()


def _add_revision(entry: Entry, document: EntryDocument, author: Author, summary: str, agent: str) -> Revision:
    parent = entry.current
    revision = Revision.objects.create(
        entry=entry,
        number=1 if parent is None else parent.number + 1,
        text=document.text,
        sha256=document.sha256,
        parent=parent,
        author=author if isinstance(author, User) else None,
        agent=agent,
        summary=summary[:300],
    )
    entry.current = revision
    entry.save(update_fields=["current"])
    return revision


def _follow(entry: Entry, html: str) -> None:
    """What follows from an entry's new revision."""
    failed = list(Claim.objects.filter(finding__entry=entry, outcome=Outcome.FAILS))
    finding = projection.project(entry, html)
    if finding is not None:
        assert entry.current is not None
        _withdraw(entry.current, failed, finding)
        queue(finding)
        evidence.refresh(finding)


def _withdraw(revision: Revision, failed: list[Claim], finding: Finding) -> None:
    """Claims that had failed and that the new revision no longer makes, or as essential, stay listed for good."""
    staked = set(finding.claims.runnable().values_list("expectation", "essential"))
    for claim in failed:
        if staked.isdisjoint({(claim.expectation_id, True), (claim.expectation_id, claim.essential)}):
            Withdrawal.objects.get_or_create(
                entry=revision.entry,
                expectation=claim.expectation,
                defaults={
                    "claim": claim.slug,
                    "sentence": claim.sentence,
                    "verdict": claim.verdict,
                    "revision": revision,
                },
            )
