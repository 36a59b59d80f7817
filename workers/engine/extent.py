"""How much a measurement consists of at most, from its documents alone: prompts, tokens, arms. No tokenizer, no torch.

What the modules that run the model go by is repeated here, for they need torch; a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass

from workers.engine.documents.components import component
from workers.engine.documents.finding import place_fields
from workers.engine.documents.measurement import Measurement, Power, PromptPart, RandomSets
from workers.engine.documents.spec import Spec
from workers.engine.judge import LOOKS
from workers.engine.prompts import GENERATORS, Extent
from workers.engine.random_sets import choose_pool
from workers.engine.techniques import TECHNIQUES

FIT_PROMPTS = 1024
MOST_MEMBERS = 64
AT_ONCE, SETS_AT_ONCE = 128, 32
ALIKE = ("head", "attn", "mlp")
"""Kinds of which one fit sums all the components there are."""


@dataclass(frozen=True)
class Prompts:
    """prompts: of the last look, or of the control. tokens, answers: of one prompt. fitted: prompts of one fit.

    layouts: how many of them the fit tells apart.
    """

    prompts: int
    tokens: int
    answers: int
    fitted: int
    layouts: int


@dataclass(frozen=True)
class Arms:
    """What is run on every prompt.

    edited: arms with edits. untouched: runs that they are compared with or take values from. rounds: in how many goes
    the arms are run. writes: places that one arm edits. again: those whose value is read by running a layer again.
    attentions: how often one arm runs each attention. fits: populations that values are fitted on, anew in every round
    unless all_alike.
    """

    edited: int
    untouched: int
    rounds: int
    writes: int
    again: int
    attentions: int
    fits: int
    all_alike: bool


def prompts_of(measurement: Measurement) -> Prompts:
    size, bos = measurement.model.dimensions, measurement.model.bos
    extents = [_extent(part) for part in (measurement.prompts, *measurement.fit.values())]
    own = extents[0]
    longest = max(size.positions if one.tokens is None else one.tokens + (bos is not None) for one in extents)
    tokens = min(size.positions, longest)
    fitted = max(FIT_PROMPTS if one.prompts is None else one.prompts for one in extents)
    layouts = max(fitted if one.layouts is None else one.layouts for one in extents)
    return Prompts(
        prompts=_prompts(measurement, own),
        tokens=tokens,
        answers=tokens if own.answers is None else max(1, min(tokens, own.answers)),
        fitted=fitted,
        layouts=max(1, min(fitted, layouts)),
    )


def arms_of(measurement: Measurement) -> Arms:
    """Of the claim's measurement or of its control."""
    technique, spec = TECHNIQUES[measurement.technique], _spec_that_runs(measurement)
    places = [component(text) for text in _edited_places(spec)]
    if isinstance(measurement.control, RandomSets):
        edited, rounds = _arms_of_sets(spec, measurement, measurement.control)
    else:
        edited = arms_planned(measurement.technique, spec)
        rounds = -(-edited // AT_ONCE)
    size = measurement.model.dimensions
    projected = any(place.part in ("q", "k", "v") for place in places)
    return Arms(
        edited=edited * technique.passes(spec),
        untouched=_untouched(spec, rounds) if technique.edits else 0,
        rounds=rounds,
        writes=_writes(spec, measurement) if technique.edits else 0,
        again=sum(place.kind == "neuron" or place.part is not None for place in places),
        attentions=1 + size.heads // size.key_value_heads if projected else 1,
        fits=technique.fits + (1 + len(spec.given) if technique.edits else 0),
        all_alike=all(place.kind in ALIKE and place.part is None for place in places),
    )


def arms_planned(technique: str, spec: Spec) -> int:
    """As many as `arms.plan` plans."""
    own = _components(spec)
    edited = 1 if spec.over == "group" else len(own)
    members = TECHNIQUES[technique].causal and spec.over == "group" and len(own) > 1
    return edited + _beside(spec) + (min(len(own), MOST_MEMBERS) if members else 0)


def _extent(part: PromptPart) -> Extent:
    return GENERATORS[part.source.generator].extent(part.source)


def _prompts(measurement: Measurement, own: Extent) -> int:
    if measurement.control is None:
        return LOOKS[-1] if own.prompts is None else own.prompts
    wanted = measurement.control.prompts
    return wanted if own.prompts is None else min(own.prompts, wanted)


def _spec_that_runs(measurement: Measurement) -> Spec:
    if not isinstance(measurement.control, Power):
        return measurement.spec
    return measurement.spec.editing(measurement.control.components).model_copy(update={"over": "group"})


def _arms_of_sets(spec: Spec, measurement: Measurement, control: RandomSets) -> tuple[int, int]:
    """The arms of the claim's own set and of all others, and the rounds; what they are seen from is run in each."""
    own = _components(spec)
    sets = control.sets
    if TECHNIQUES[measurement.technique].alternative is None:
        sets = min(sets, choose_pool(own, control.exclude, measurement.model.dimensions).possible)
    rounds = 1 + -(-sets // SETS_AT_ONCE)
    each = 1 if spec.over == "group" else len(own)
    return (1 + sets) * each + rounds * _beside(spec), rounds


def _components(spec: Spec) -> tuple[str, ...]:
    components: tuple[str, ...] = getattr(spec, "components", ())
    return components


def _beside(spec: Spec) -> int:
    return bool(spec.contrast) + (spec.at_floor() is not None)


def _untouched(spec: Spec, rounds: int) -> int:
    """The clean run, the corrupted one and a donor's; with what is given, each again in every round."""
    recorded = 2 + (spec.corruption is not None) + len(spec.given)
    return recorded + (2 * rounds if spec.given else 0)


def _writes(spec: Spec, measurement: Measurement) -> int:
    """Places that one arm edits at most; seen from a floor, every head and MLP but its own, or all around its own."""
    size, places = measurement.model.dimensions, [component(text) for text in _edited_places(spec)]
    if spec.at_floor() is None:
        return len(places)
    at_a_position = sum(place.position is not None for place in places)
    return len(places) + size.layers * (size.heads + 1) + at_a_position * prompts_of(measurement).tokens


def _edited_places(spec: Spec) -> list[str]:
    own = [text for _, places in place_fields(spec) for text in places]
    return own + [text for given in spec.given for text in given.components]
