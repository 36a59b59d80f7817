"""A bundle: a finding with the documents it pins, complete enough to be checked anywhere, and its measurements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from workers.engine.documents.behavior import Behavior
from workers.engine.documents.components import Component, Position, component
from workers.engine.documents.document import Document, Invalid, Problem
from workers.engine.documents.expect import RankAtMost, SetEquals, Top, named_by
from workers.engine.documents.finding import Claim, Finding
from workers.engine.documents.measurement import Identity, Measurement, Power, PromptPart, RandomSets
from workers.engine.documents.model import Dimensions, Model
from workers.engine.documents.places import components_of, written_out
from workers.engine.documents.role import Role
from workers.engine.documents.spec import OtherPrompts, Spec
from workers.engine.metrics import METRICS
from workers.engine.null import toward
from workers.engine.prompts import GENERATORS, Names
from workers.engine.techniques import TECHNIQUES


class Bundle(Document):
    """behaviors: the finding's own and those its claims name, by slug. seeds: of finished fresh draws.

    seeds: measurement hash -> draw index -> seed, published once the draw has finished.
    """

    finding: Finding
    behaviors: dict[str, Behavior]
    model: Model
    roles: dict[str, Role] = {}
    seeds: dict[str, dict[str, str]] = {}

    @property
    def behavior(self) -> Behavior:
        return self.behaviors[self.finding.behavior.slug]

    def problems(self) -> list[Problem]:
        """What the finding's text alone does not show to be wrong, but its neighbors do."""
        unpinned = list(_wrong_pins(self))
        return unpinned or [*_misplaced_nodes(self), *_wrong_claims(self)]

    def checked(self) -> Bundle:
        """Itself; raises Invalid with every problem."""
        if found := self.problems():
            raise Invalid(found)
        return self


def measurement_of(bundle: Bundle, claim: Claim) -> Measurement:
    """What decides the claim's number. The claim must be runnable and the bundle without problems."""
    assert claim.technique is not None and claim.spec is not None
    technique = TECHNIQUES[claim.technique]
    behavior = behavior_of(bundle, claim.spec.prompts)
    return Measurement(
        technique=claim.technique,
        technique_version=technique.version,
        spec=written_out(claim.spec, bundle.finding.circuit.groups, bundle.model.dimensions),
        prompts=_prompts(bundle, claim.spec.prompts),
        fit={name: _prompts(bundle, named) for name, named in claim.spec.other_prompts.items()},
        gate_metric=behavior.metric if technique.gated else None,
        model=_identity(bundle.model),
        dtype=bundle.model.dtype,
    )


def control_of(bundle: Bundle, claim: Claim) -> Measurement | None:
    """The claim's control as a measurement of its own, written out when the claim is saved; None if it has none."""
    assert claim.technique is not None and claim.spec is not None and claim.expect is not None
    if not TECHNIQUES[claim.technique].controlled:
        return None
    own = measurement_of(bundle, claim)
    control: RandomSets | Power
    if claim.kind == "absence":
        control = Power(components=_power(bundle, claim, own.spec))
    else:
        nodes = {str(component(node.component).without_position()) for node in bundle.finding.circuit.nodes}
        chance = behavior_of(bundle, claim.spec.prompts).chance
        side, reduce = toward(own.spec, claim.expect, chance)
        excluded = () if TECHNIQUES[claim.technique].alternative else tuple(sorted(nodes))
        idle = own.spec.out_of_reach(bundle.model.dimensions)
        control = RandomSets(exclude=tuple(sorted({*excluded, *idle})), toward=side, reduce=reduce)
    return own.model_copy(update={"control": control})


def _power(bundle: Bundle, claim: Claim, spec: Spec) -> tuple[str, ...]:
    dimensions, groups = bundle.model.dimensions, bundle.finding.circuit.groups
    if claim.power:
        return tuple(str(place) for place in components_of(claim.power, groups, dimensions))
    layers = sorted({place.layer for place in _components(spec) if place.layer is not None})
    reference = components_of(spec.power_reference(layers), groups, dimensions)
    return tuple(str(place) for place in reference)


def _components(spec: Spec) -> tuple[Component, ...]:
    return tuple(component(text) for text in getattr(spec, "components", ()))


def behavior_of(bundle: Bundle, prompts: str | OtherPrompts) -> Behavior:
    return bundle.behaviors[prompts.behavior] if isinstance(prompts, OtherPrompts) else bundle.behavior


def _prompts(bundle: Bundle, prompts: str | OtherPrompts) -> PromptPart:
    name = prompts.set if isinstance(prompts, OtherPrompts) else prompts
    source = behavior_of(bundle, prompts).prompts[name]
    return PromptPart(source=source, generator_version=GENERATORS[source.generator].version)


def _identity(model: Model) -> Identity:
    return Identity(
        weights=model.weights,
        family=model.family,
        tokenizer_sha256=model.tokenizer_sha256,
        bos=model.bos,
        chat_template=model.chat_template,
        dimensions=model.dimensions,
    )


def _wrong_pins(bundle: Bundle) -> Iterator[Problem]:
    finding = bundle.finding
    yield from _wrong_pin("behavior", finding.behavior.slug, finding.behavior.revision, bundle.behaviors)
    yield from _wrong_pin("model", finding.model.slug, finding.model.revision, {bundle.model.slug: bundle.model})
    for slug, revision in finding.roles.items():
        yield from _wrong_pin(f"roles.{slug}", slug, revision, bundle.roles)
    for index, claim in enumerate(finding.claims):
        for named in _named_prompts(claim).values():
            if isinstance(named, OtherPrompts):
                path = f"claims.{index}.spec.prompts"
                yield from _wrong_pin(path, named.behavior, named.revision, bundle.behaviors)


def _wrong_pin(path: str, slug: str, revision: str, known: Mapping[str, Document]) -> Iterator[Problem]:
    if slug not in known:
        yield Problem(path, f"there is no {slug!r}; known: {', '.join(sorted(known)) or 'none'}")
    elif known[slug].sha256 != revision:
        yield Problem(path, f"{slug!r} at {revision} is not what lies here ({known[slug].sha256}); pin it anew")


def _named_prompts(claim: Claim) -> dict[str, str | OtherPrompts]:
    return {} if claim.spec is None else {"prompts": claim.spec.prompts, **claim.spec.other_prompts}


def _misplaced_nodes(bundle: Bundle) -> Iterator[Problem]:
    positions = _names(bundle, "default").positions
    stated = [(f"circuit.nodes.{i}.component", node.component) for i, node in enumerate(bundle.finding.circuit.nodes)]
    edges = enumerate(bundle.finding.circuit.edges)
    stated += [(f"circuit.edges.{i}.{end}", text) for i, edge in edges for end, text in enumerate(edge)]
    for path, text in stated:
        yield from _misplaced(path, component(text), bundle.model.dimensions, positions)


def _misplaced(path: str, place: Component, size: Dimensions, positions: frozenset[str]) -> Iterator[Problem]:
    last_layer = size.layers if place.kind == "resid" else size.layers - 1
    if place.layer is not None and place.layer > last_layer:
        yield Problem(path, f"{place}: the model has {size.layers} layers, 0 to {size.layers - 1}")
    if place.head is not None and place.head >= size.heads:
        yield Problem(path, f"{place}: the model has {size.heads} heads in a layer, 0 to {size.heads - 1}")
    if place.neuron is not None and place.neuron >= size.d_mlp:
        yield Problem(path, f"{place}: the model has {size.d_mlp} neurons in a layer, 0 to {size.d_mlp - 1}")
    for position in _positions(place):
        if position.name not in positions:
            known = ", ".join(sorted(positions)) or "none"
            yield Problem(path, f"{place}: the prompts have no position {position.name}; they have {known}")


def _positions(place: Component) -> list[Position]:
    named = [place.position, *((place.entry.query, place.entry.key) if place.entry else ())]
    return [position for position in named if position is not None]


def _wrong_claims(bundle: Bundle) -> Iterator[Problem]:
    for index, claim in enumerate(bundle.finding.claims):
        if claim.spec is None:
            continue
        wrong_sets = list(_wrong_prompt_sets(bundle, claim, f"claims.{index}.spec"))
        wrong = wrong_sets or list(_wrong_spec(bundle, claim.spec, f"claims.{index}.spec"))
        yield from wrong or _wrong_power(bundle, claim, claim.spec, f"claims.{index}.power")
        yield from _wrong_ranking(bundle, claim, f"claims.{index}")


def _wrong_power(bundle: Bundle, claim: Claim, spec: Spec, path: str) -> Iterator[Problem]:
    if claim.kind == "absence" and not claim.power and spec.null_of_kept == 0.0:
        # of what is kept, all heads of a layer are no smaller circuit
        yield Problem(path, "state a circuit that must not do")
    elif claim.power:
        own = written_out(spec, bundle.finding.circuit.groups, bundle.model.dimensions)
        if reason := own.why_no_power(_power(bundle, claim, own)):
            yield Problem(path, reason)


def _wrong_prompt_sets(bundle: Bundle, claim: Claim, path: str) -> Iterator[Problem]:
    for field, named in _named_prompts(claim).items():
        known = behavior_of(bundle, named).prompts
        name = named.set if isinstance(named, OtherPrompts) else named
        if name not in known:
            yield Problem(f"{path}.{field}", f"the behavior has no prompts {name!r}; it has {', '.join(known)}")


def _wrong_spec(bundle: Bundle, spec: Spec, path: str) -> Iterator[Problem]:
    names = _names(bundle, spec.prompts)
    for corruption in [spec.corruption, *(given.corruption for given in spec.given)]:
        if corruption is not None and corruption not in names.corruptions:
            known = ", ".join(sorted(names.corruptions)) or "none"
            yield Problem(f"{path}.corruption", f"the prompts have no corruption {corruption!r}; they have {known}")
    if METRICS[spec.metric].needs_wrong and not names.has_wrong_answers:
        yield Problem(f"{path}.metric", f"{spec.metric} compares with wrong answers, and the prompts state none")
    yield from _wrong_members(spec, _written(spec, bundle), path)
    yield from _idle_edits(_written(spec, bundle), path)
    size = bundle.model.dimensions
    for place in _all_components(spec, bundle):
        yield from _misplaced(path, place, size, names.positions)
        if place.entry and place.entry.named and place.entry.named not in names.entries:
            known = ", ".join(sorted(names.entries)) or "none"
            yield Problem(path, f"{place}: the prompts name no attention entries {place.entry}; they have {known}")


def _wrong_members(spec: Spec, written: dict[str, Any], path: str) -> Iterator[Problem]:
    """What a technique refuses by name, it refuses as a member of a group too."""
    try:
        type(spec).from_json(written)
    except Invalid as error:
        yield from (Problem(f"{path}.{item.path}".rstrip("."), item.message) for item in error.problems)


def _idle_edits(written: dict[str, Any], path: str) -> Iterator[Problem]:
    """To edit what stands edited in both arms, or to compare an edit with itself, changes nothing by construction."""
    own = [component(text) for text in written.get("components", ())]
    standing = [component(text) for given in written["given"] for text in given["components"]]
    if twice := [str(place) for place in own if any(one.covers(place) for one in standing)]:
        yield Problem(f"{path}.given", f"{', '.join(twice)}: given already, and edited again; name it once")
    if own and own == [component(text) for text in written["contrast"]]:
        yield Problem(f"{path}.contrast", "the same components as those edited; name others to compare them with")


def _wrong_ranking(bundle: Bundle, claim: Claim, path: str) -> Iterator[Problem]:
    """A ranking is of components measured one by one, and of all that it says it ranks."""
    expect, spec = claim.expect, claim.spec
    if spec is None or not isinstance(expect, Top | RankAtMost | SetEquals):
        return
    if claim.kind == "absence":
        yield Problem(f"{path}.kind", "an absence is a number near the null value; a ranking cannot state one")
    if spec.over != "each":
        yield Problem(f"{path}.spec.over", "a ranking compares components one by one: write over: each")
    ranked = set(_written(spec, bundle).get("components", ()))
    if strangers := sorted(set(named_by(expect)) - ranked):
        yield Problem(f"{path}.expect", f"{', '.join(strangers)}: not among the components of the spec")
    if isinstance(expect, Top) and expect.of != len(ranked):
        yield Problem(f"{path}.expect.of", f"the spec names {len(ranked)} components; write that number")


def _written(spec: Spec, bundle: Bundle) -> dict[str, Any]:
    return written_out(spec, bundle.finding.circuit.groups, bundle.model.dimensions).values()


def _all_components(spec: Spec, bundle: Bundle) -> list[Component]:
    written = _written(spec, bundle)
    texts = [*written.get("components", ()), *written["contrast"]]
    texts += [text for field in ("receivers", "through", "circuit", "without") for text in written.get(field, ())]
    texts += [text for edge in written.get("edges") or () for text in edge]
    texts += [text for given in written["given"] for text in given["components"]]
    return [component(text) for text in texts]


def _names(bundle: Bundle, prompts: str | OtherPrompts) -> Names:
    source = _prompts(bundle, prompts).source
    return GENERATORS[source.generator].names(source)
