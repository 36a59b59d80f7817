"""A finding: behavior x model x circuit, with claims that say what was seen and what to expect of a re-run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, SerializeAsAny, model_validator

from workers.engine.documents.components import NotAComponent, component, group_of
from workers.engine.documents.document import Document, Invalid, Problem, Prose, Sha256, Slug, Title, Unordered, Words
from workers.engine.documents.expect import ClaimKind, ComponentText, ExpectField
from workers.engine.documents.reference import Origin, References
from workers.engine.documents.spec import Given, PlaceSet, SomePlaces, Spec
from workers.engine.registry import UnknownKey
from workers.engine.techniques import TECHNIQUES

LARGEST_CIRCUIT = 2_000
LARGEST_NUMBER_OF_CLAIMS = 200


def _names_one_place(text: str) -> str:
    found = component(text)
    if found.is_wildcard:
        raise ValueError(f"{text!r}: a node is one component; write its numbers")
    return str(found)


def _grammatical(text: str) -> str:
    try:
        return _names_one_place(text)
    except NotAComponent as error:
        raise ValueError(str(error)) from error


NodeText = Annotated[str, AfterValidator(_grammatical)]


class Pin(Document):
    """Another entry's revision, so that a later edit of it does not change what this finding says."""

    slug: Slug
    revision: Sha256


class Node(Document):
    component: NodeText
    role: Slug | None = None
    note: Words = ""


class Circuit(Document):
    """edges: [sender, receiver]. groups: names for sets of heads or MLPs, used in claims as #name."""

    nodes: tuple[Node, ...] = Field(default=(), max_length=LARGEST_CIRCUIT)
    edges: tuple[tuple[NodeText, NodeText], ...] = Field(default=(), max_length=LARGEST_CIRCUIT * 10)
    groups: dict[Slug, Annotated[tuple[ComponentText, ...], Unordered(), Field(min_length=1)]] = {}


class Claim(Document):
    """One checkable statement. technique null: shown and counted as not machine-checkable, never evidence.

    statement: the author's own words; what a badge quotes is generated from spec and expect instead.
    power: for kind "absence", the edit that must break the bound (empty: all heads of the layers concerned).
    """

    id: Slug
    statement: Words = ""
    technique: str | None = None
    spec: SerializeAsAny[Spec] | None = None
    expect: ExpectField | None = None
    kind: ClaimKind = "effect"
    essential: bool = False
    power: SomePlaces = ()
    origin: Origin | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_the_spec(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("technique") is None or isinstance(given.get("spec"), Spec):
            return given
        return {**given, "spec": _spec(given["technique"], given.get("spec"))}

    @model_validator(mode="after")
    def _says_what_its_technique_needs(self) -> Self:
        stated = [name for name in ("spec", "expect") if getattr(self, name) is not None]
        if self.technique is None and stated:
            raise ValueError("spec and expect need a technique; leave all three out for a claim in words only")
        if self.technique is None and not self.statement:
            raise ValueError("a claim without a technique needs a statement in words")
        if self.technique is not None and self.expect is None:
            raise Invalid([Problem("expect", 'say what number to expect, e.g. {"at_least": 0.5}')])
        if self.power and self.kind != "absence":
            raise Invalid([Problem("power", "only an absence claim has a power control; remove it")])
        return self

    @property
    def runnable(self) -> bool:
        return self.technique is not None


def _spec(technique: Any, given: Any) -> Spec:
    if given is None:
        raise Invalid([Problem("spec", "say what to measure: metric, components, …")])
    try:
        return TECHNIQUES[technique].spec.from_json(given)
    except UnknownKey as error:
        raise Invalid([Problem("technique", str(error))]) from error
    except Invalid as error:
        raise Invalid([Problem(_join("spec", item.path), item.message) for item in error.problems]) from error


def _join(*parts: str) -> str:
    return ".".join(filter(None, parts))


class Finding(Document):
    kind: Literal["finding"] = "finding"
    slug: Slug
    title: Title
    summary: Words = ""
    behavior: Pin
    model: Pin
    roles: dict[Slug, Sha256] = {}
    circuit: Circuit = Circuit()
    claims: tuple[Claim, ...] = Field(default=(), max_length=LARGEST_NUMBER_OF_CLAIMS)
    references: References = ()
    body: Prose = ""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        problems = [*_repeated_ids(self), *_unpinned_roles(self), *_unknown_groups(self), *_unknown_references(self)]
        if problems:
            raise Invalid(problems)
        return self


def _repeated_ids(finding: Finding) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, claim in enumerate(finding.claims):
        if claim.id in seen:
            yield Problem(f"claims.{index}.id", f"{claim.id!r} stands twice; give each claim its own id")
        seen.add(claim.id)
    nodes: set[tuple[str, str | None]] = set()
    for index, node in enumerate(finding.circuit.nodes):
        if (node.component, node.role) in nodes:
            yield Problem(f"circuit.nodes.{index}", f"{node.component} stands twice with the same role")
        nodes.add((node.component, node.role))


def _unpinned_roles(finding: Finding) -> Iterator[Problem]:
    for index, node in enumerate(finding.circuit.nodes):
        if node.role is not None and node.role not in finding.roles:
            yield Problem(f"circuit.nodes.{index}.role", f"pin the revision of {node.role!r} under roles")


def _unknown_groups(finding: Finding) -> Iterator[Problem]:
    for index, claim in enumerate(finding.claims):
        for path, text in _places_of(claim):
            named = group_of(text)
            if named and named[0] not in finding.circuit.groups:
                known = ", ".join(finding.circuit.groups) or "none yet"
                yield Problem(f"claims.{index}.{path}", f"{text!r}: the circuit has no such group; it has {known}")


def _unknown_references(finding: Finding) -> Iterator[Problem]:
    known = {reference.key for reference in finding.references}
    for index, claim in enumerate(finding.claims):
        if claim.origin is not None and claim.origin.reference not in known:
            yield Problem(f"claims.{index}.origin.reference", f"{claim.origin.reference!r} is not under references")


def _places_of(claim: Claim) -> Iterator[tuple[str, str]]:
    """Every place a claim names, with the path of its field."""
    if claim.spec is not None:
        for name, places in place_fields(claim.spec):
            yield from ((f"spec.{name}", text) for text in places)
        for index, given in enumerate(claim.spec.given):
            yield from ((f"spec.given.{index}.components", text) for text in given.components)
    yield from (("power", text) for text in claim.power)


def place_fields(spec: Spec | Given) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The fields of a spec that hold places, with their texts."""
    for name, field in type(spec).model_fields.items():
        if any(isinstance(item, PlaceSet) for item in field.metadata):
            yield name, getattr(spec, name)
