"""References: what a document cites."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from workers.engine.documents.document import Document, Words

Key = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
Level = Literal["primary", "secondary", "memory"]


class Reference(Document):
    key: Key
    title: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    authors: Words = ""
    year: int | None = Field(default=None, ge=1900, le=2100)
    arxiv: Annotated[str, StringConstraints(pattern=r"^(\d{4}\.\d{4,5}|[a-z-]+(\.[A-Z]{2})?/\d{7})$")] | None = None
    doi: Annotated[str, StringConstraints(pattern=r"^10\.\d{4,9}/\S+$")] | None = None
    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s<>\"']+$", max_length=500)] | None = None


class Origin(Document):
    """Where a claim comes from. level: read in the paper itself, in somebody's account of it, or remembered."""

    reference: Key
    where: Words = ""
    level: Level


def _keys_are_unique(references: tuple[Reference, ...]) -> tuple[Reference, ...]:
    keys = [reference.key for reference in references]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise ValueError(f"the reference keys {', '.join(twice)} stand twice; keep one of each")
    return references


References = Annotated[tuple[Reference, ...], AfterValidator(_keys_are_unique)]
