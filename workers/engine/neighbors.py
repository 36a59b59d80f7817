"""Files of documents: a finding with the documents it pins beside it, as a bundle.

`<folder>/findings/x.json` finds its neighbors in `<folder>/behaviors`, `<folder>/models` and `<folder>/roles`, each
under `<slug>.json`. A bundle is one file that holds them all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from workers.engine.documents.behavior import Behavior
from workers.engine.documents.bundle import Bundle
from workers.engine.documents.canonical import NotCanonical, parse
from workers.engine.documents.document import Document, Invalid, Problem
from workers.engine.documents.finding import Finding
from workers.engine.documents.model import Model
from workers.engine.documents.role import Role
from workers.engine.documents.spec import OtherPrompts

Kind = TypeVar("Kind", bound=Document)


def bundle_of(path: Path) -> Bundle:
    """A bundle, or a finding with its neighbors; raises Invalid with every problem."""
    values = _values(path)
    if isinstance(values, dict) and "finding" in values:
        return Bundle.from_json(values).checked()
    finding = Finding.from_json(values)
    behaviors = {slug: _neighbor(path, "behaviors", slug, Behavior) for slug in _behaviors(finding)}
    return Bundle(
        finding=finding,
        behaviors=behaviors,
        model=_neighbor(path, "models", finding.model.slug, Model),
        roles={slug: _neighbor(path, "roles", slug, Role) for slug in finding.roles},
    ).checked()


def document(path: Path, kind: type[Kind]) -> Kind:
    try:
        return kind.from_json(_values(path))
    except Invalid as error:
        raise Invalid([Problem(f"{path}: {problem.path}", problem.message) for problem in error.problems]) from error


def pinned(path: Path) -> str:
    """The finding's text with the revisions of its neighbors as they are now."""
    values = _values(path)
    _pin(values["behavior"], _neighbor(path, "behaviors", values["behavior"]["slug"], Behavior))
    _pin(values["model"], _neighbor(path, "models", values["model"]["slug"], Model))
    named = {node["role"] for node in values.get("circuit", {}).get("nodes", ()) if node.get("role")}
    slugs = sorted(named | set(values.get("roles", ())))
    values["roles"] = {slug: _neighbor(path, "roles", slug, Role).sha256 for slug in slugs}
    for other in _other_prompts(values):
        _pin(other, _neighbor(path, "behaviors", other["behavior"], Behavior))
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def _values(path: Path) -> Any:
    try:
        return parse(path.read_bytes())
    except FileNotFoundError as error:
        raise Invalid([Problem(str(path), "there is no such file")]) from error
    except NotCanonical as error:
        raise Invalid([Problem(str(path), str(error))]) from error


def _neighbor(path: Path, folder: str, slug: str, kind: type[Kind]) -> Kind:
    return document(path.resolve().parent.parent / folder / f"{slug}.json", kind)


def _behaviors(finding: Finding) -> set[str]:
    specs = [claim.spec for claim in finding.claims if claim.spec is not None]
    named = [prompts for spec in specs for prompts in (spec.prompts, *spec.other_prompts.values())]
    return {finding.behavior.slug, *(prompts.behavior for prompts in named if isinstance(prompts, OtherPrompts))}


def _pin(pin: dict[str, Any], neighbor: Document) -> None:
    pin["revision"] = neighbor.sha256


def _other_prompts(values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Prompts of other behaviors that claims draw on."""
    for claim in values.get("claims", ()):
        spec = claim.get("spec") or {}
        yield from (field for field in spec.values() if isinstance(field, dict) and "behavior" in field)
