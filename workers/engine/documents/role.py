"""A role of a head or MLP, with the operational test that decides it."""

from __future__ import annotations

from typing import Literal

from workers.engine.documents.document import Document, Prose, Slug, Title, Words
from workers.engine.documents.reference import Level, References


class OperationalTest(Document):
    """How one decides whether a head has the role. technique: the key that computes it, null until one does."""

    words: Words
    formula: Words = ""
    inputs: Words = ""
    usual_threshold: Words = ""
    technique: str | None = None
    level: Level


class Role(Document):
    """behavior: the role's own canonical task (random tokens for induction), where it has one."""

    kind: Literal["role"] = "role"
    slug: Slug
    title: Title
    definition: Words
    decided_by: Literal["attention", "weights", "logits", "causal", "several"]
    test: OperationalTest
    behavior: Slug | None = None
    references: References = ()
    body: Prose = ""
