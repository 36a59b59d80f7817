"""Is a node what its role's word says? Answered by the finding's own claims, where they are the role's test.

A claim is the test of a head if it says of that head what the role's document asks: same technique, same spec, the
prompts meant, and an expectation that decides. What is claimed may be stricter than the test: if it holds, so does the
test. If a claim that asks for less fails, so does the test. A claim that holds and excludes what the test expects
speaks against the role as well. Anything else leaves the word untested.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, assert_never

from workers.engine.claim_state import Judgement
from workers.engine.documents.components import Component, component
from workers.engine.documents.document import Invalid
from workers.engine.documents.expect import AtLeast, AtMost, Between, Expect, RankAtMost, SetEquals, Top, Value, bounds
from workers.engine.documents.finding import Claim, Finding, Node, place_fields
from workers.engine.documents.places import Groups, spelled_out
from workers.engine.documents.role import Role, RoleClaim
from workers.engine.documents.spec import OtherPrompts, Spec
from workers.engine.techniques import TECHNIQUES

RoleTested = Literal["holds", "fails", "undecided", "no_threshold", "not_tested"]
"""no_threshold: no source says from where on a head has the role, so there are numbers at most."""
NodeRole = tuple[str, str]
"""A node's component and its role."""
Outcome = Literal["holds", "fails", "undecided"]
OPEN = ("prompts", "over", "generalizes_to", "components")
"""What a claim may state as it likes; the components are looked at by themselves."""


def roles_tested(
    finding: Finding, judged: Sequence[Judgement], roles: Mapping[str, Role]
) -> dict[NodeRole, RoleTested]:
    """roles: the documents that the finding pins, as far as they are known."""
    members = _members(finding)
    return {
        (node.component, node.role): _tested(node, roles.get(node.role), finding, judged, members)
        for node in finding.circuit.nodes
        if node.role is not None
    }


def role_notes(tested: Mapping[NodeRole, RoleTested]) -> Iterator[str]:
    """How many of the nodes' roles were decided by their tests, and which of them are not what they are called."""
    decided = sum(state in ("holds", "fails") for state in tested.values())
    if tested:
        yield f"roles tested: {decided} of {len(tested)}" if decided else "role not tested"
    if failing := [f"{node} as {role}" for (node, role), state in tested.items() if state == "fails"]:
        yield f"role test fails: {', '.join(failing)}"


def _tested(
    node: Node, role: Role | None, finding: Finding, judged: Sequence[Judgement], members: Groups
) -> RoleTested:
    if role is None or not role.test.claims:
        return "not_tested"
    place = component(node.component).without_position()
    wanted = [test for test in role.test.claims if test.expect is not None]
    if not wanted:
        return "no_threshold"
    found = [set(_outcomes(test, place, role, finding, judged, members)) for test in wanted]
    if any("fails" in one for one in found):
        return "fails"
    if all("holds" in one for one in found):
        return "holds"
    return "undecided" if any("undecided" in one for one in found) and all(found) else "not_tested"


def _outcomes(
    test: RoleClaim, place: Component, role: Role, finding: Finding, judged: Sequence[Judgement], members: Groups
) -> Iterator[Outcome]:
    """What the finding's claims say about one part of the test."""
    try:
        wanted = test.of(str(place), members)
    except Invalid:  # of an MLP there is no attention; or the circuit lacks what the test sends to
        return
    for one in judged:
        if _is_on_its_prompts(one.claim, role, finding) and _asks(one.claim, test, wanted, finding.circuit.groups):
            said = _said(one, _own_place(wanted), test.expect)
            if said is not None:
                yield said


def _is_on_its_prompts(claim: Claim, role: Role, finding: Finding) -> bool:
    prompts = None if claim.spec is None else claim.spec.prompts
    behavior = prompts.behavior if isinstance(prompts, OtherPrompts) else finding.behavior.slug
    return behavior == (role.behavior or finding.behavior.slug)


def _asks(claim: Claim, test: RoleClaim, wanted: Spec, groups: Groups) -> bool:
    """Whether the claim measures what the test does, of this head by itself."""
    if claim.technique != test.technique or claim.spec is None or claim.kind != "effect":
        return False
    spec = spelled_out(claim.spec, groups)
    components: tuple[str, ...] = getattr(spec, "components", ())
    alone = spec.over == "each" or _is_one(components)
    if not alone or not any(_means(text, _own_place(wanted)) for text in components):
        return False
    named = {name for name, _ in place_fields(spec)}
    same = {*spec.values()} - {*OPEN} - test.left_open - named
    here, there = spec.values(), wanted.values()
    return all(here[name] == there[name] for name in same) and all(
        _places(getattr(spec, name)) == _places(getattr(wanted, name)) for name in named - {*OPEN} - test.left_open
    )


def _own_place(wanted: Spec) -> Component:
    """The test's one component, without a position: a claim is about the same head wherever it looks at it."""
    components: tuple[str, ...] = getattr(wanted, "components", ())
    return component(components[0]).without_position()


def _is_one(components: Sequence[str]) -> bool:
    """A wildcard is one text, but many heads; so is a group."""
    return len(components) == 1 and not components[0].startswith("#") and not component(components[0]).is_wildcard


def _means(text: str, place: Component) -> bool:
    """Whether a claim's component, or its wildcard, is this one."""
    stated = component(text)
    if (stated.kind, stated.part, stated.neuron, stated.entry) != (place.kind, place.part, place.neuron, place.entry):
        return False
    return stated.layer in (None, place.layer) and stated.head in (None, place.head)


def _places(texts: Sequence[str]) -> set[Component]:
    return {component(text).without_position() for text in texts}


def _said(one: Judgement, place: Component, expected: Expect | None) -> Outcome | None:
    """What the claim's outcome means for the test's expectation; None if it says nothing about it."""
    verdict, stated, asked = one.verdict, _bounds(one.claim.expect), _bounds(expected)
    if verdict is None or stated is None or asked is None:
        return None
    (low, high), (least, most) = stated, asked
    within, around = least <= low and high <= most, low <= least and most <= high
    match verdict.outcome:
        case "holds" if not _is_earned(one):
            return "undecided"
        case "holds":
            return "holds" if within else "fails" if high < least or most < low else None
        case "fails" if around:
            return "fails" if _is_the_one_that_fails(one, place) else "undecided"
        case "undecided" if within:
            return "undecided"
        case _:
            return None


def _bounds(expect: Expect | None) -> tuple[float, float] | None:
    """None where nothing is expected of a number: a ranking says how heads compare, not what one is."""
    match expect:
        case Value() | AtLeast() | AtMost() | Between():
            return bounds(expect)
        case Top() | RankAtMost() | SetEquals() | None:
            return None
        case _:
            assert_never(expect)


def _is_earned(one: Judgement) -> bool:
    """Not vacuous and, where random sets are its control, not what any head would show."""
    verdict, technique = one.verdict, one.claim.technique
    assert verdict is not None and technique is not None
    return not verdict.vacuous and (not TECHNIQUES[technique].controlled or verdict.specific in ("yes", "not_testable"))


def _is_the_one_that_fails(one: Judgement, place: Component) -> bool:
    """A claim of several heads fails by one of them: is it this head, in every draw?"""
    verdict, stated = one.verdict, _bounds(one.claim.expect)
    assert verdict is not None and stated is not None
    spec = one.claim.spec
    if spec is None or spec.over != "each" or _is_one(getattr(spec, "components", ())):
        return True
    judged = [item for draw in verdict.draws for item in draw.components if _means(item.component, place)]
    intervals = [item.interval for item in judged if item.interval is not None]
    outside = [high < stated[0] or stated[1] < low for low, high in intervals]
    return len(outside) == len(verdict.draws) > 0 and all(outside)


def _members(finding: Finding) -> dict[str, tuple[str, ...]]:
    """The circuit's components by role, without positions."""
    found: dict[str, tuple[str, ...]] = {}
    for node in finding.circuit.nodes:
        if node.role is not None:
            name = str(component(node.component).without_position())
            found[node.role] = tuple(dict.fromkeys((*found.get(node.role, ()), name)))
    return found
