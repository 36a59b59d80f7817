"""Loading a folder of documents: FOLDER/{behaviors,models,roles,findings}/SLUG.json, as often as one likes.

What people have edited here since is left as they wrote it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from wiki import actions
from wiki.models import Entry, Kind
from workers.engine.documents.canonical import NotCanonical, parse
from workers.engine.documents.document import Invalid, Problem

FOLDERS: dict[str, str] = {
    "behaviors": Kind.BEHAVIOR,
    "models": Kind.MODEL,
    "roles": Kind.ROLE,
    "findings": Kind.FINDING,
}
Result = Literal["new", "unchanged", "edited here", "invalid"]


@dataclass(frozen=True)
class Loaded:
    """What became of one file. problems: why an invalid one was not loaded."""

    file: Path
    kind: str
    result: Result
    problems: tuple[Problem, ...] = ()


def load(folder: Path) -> Iterator[Loaded]:
    """One by one, so that progress can be shown; a file that is wrong does not keep the others out."""
    for name, kind in FOLDERS.items():
        for file in sorted((folder / name).glob("*.json"), key=_shortest_first):
            try:
                document = parse(file.read_bytes())
                if isinstance(document, dict):  # an array is data that lies beside
                    yield Loaded(file, kind, _load(kind, file.stem, document))
            except NotCanonical as error:
                yield Loaded(file, kind, "invalid", (Problem("", str(error)),))
            except Invalid as error:
                yield Loaded(file, kind, "invalid", tuple(error.problems))


def _shortest_first(file: Path) -> tuple[int, str]:
    """A short finding has few claims: the first verdicts come soon."""
    return file.stat().st_size, file.name


def _load(kind: str, slug: str, document: dict[str, Any]) -> Result:
    if document.get("slug") != slug:
        raise Invalid([Problem("slug", f"is {document.get('slug')!r}; a file is named after its slug: {slug!r}")])
    entry = Entry.objects.of_kind(kind).filter(slug=slug).first()
    before = entry.current if entry else None
    if before is not None and before.author_id is not None:
        return "edited here"
    revision = actions.publish(kind, document, author=None, summary="Loaded from a file")
    return "unchanged" if revision == before else "new"
