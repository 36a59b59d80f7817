"""Verify: a bundle's claims measured on the real weights and judged, by the very rules the site judges by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from workers.engine.anatomy import Loaded
from workers.engine.badge import Badge, badge
from workers.engine.claim_state import ClaimState
from workers.engine.control import try_power, try_sets
from workers.engine.documents.bundle import Bundle, control_of, measurement_of
from workers.engine.documents.finding import Claim
from workers.engine.documents.measurement import Measurement, Power, RandomSets
from workers.engine.documents.spec import OtherPrompts
from workers.engine.edit import CannotEdit
from workers.engine.environment import REPEAT
from workers.engine.fit import Fit
from workers.engine.judge import Gate, Stake, Verdict, judge
from workers.engine.matching import load
from workers.engine.measuring import Progress, Stakes, fit_of, job, measure
from workers.engine.numbers import Control, Numbers
from workers.engine.prepare import prepare, vocabulary_of
from workers.engine.prompts import GENERATORS, Refused
from workers.engine.sentence import sentence

Watch = Callable[[str], Progress]
"""Given what is being measured, what to tell of its progress."""


@dataclass(frozen=True)
class ClaimChecked:
    """refused: why nothing could be measured; else the verdict and what it was judged from."""

    claim: Claim
    sentence: str
    draws: tuple[Numbers, ...] = ()
    verdict: Verdict | None = None
    refused: str | None = None


@dataclass(frozen=True)
class Verification:
    """made_seeds: fresh draws were seeded here, so no badge of a site follows. badge: None if only some claims ran."""

    bundle: Bundle
    claims: tuple[ClaimChecked, ...]
    badge: Badge | None
    made_seeds: bool

    @property
    def exit_status(self) -> int:
        """0 all hold, 1 something fails, 2 something is undecided, 3 something cannot run."""
        outcomes = {"refused" if one.verdict is None else one.verdict.outcome for one in self.claims}
        if "fails" in outcomes:
            return 1
        if outcomes & {"refused", "errored"}:
            return 3
        return 2 if "undecided" in outcomes else 0


def verify(
    bundle: Bundle, folders: Sequence[Path], device: str, watch: Watch, only: str | None = None, command: str = REPEAT
) -> Verification:
    """Raises CannotLoad or Mismatch where the model cannot be had; what one claim cannot do is told beside it."""
    claims = [claim for claim in bundle.finding.claims if claim.runnable and only in (None, claim.id)]
    measurements = {claim.id: measurement_of(bundle, claim) for claim in claims}
    if not claims:
        unchecked = None if only else badge(bundle.finding, {}, roles=bundle.roles)
        return Verification(bundle, (), unchecked, made_seeds=False)
    first = measurements[claims[0].id]
    loaded = load(first.model, folders, device, first.dtype)
    checked: list[ClaimChecked] = []
    for measurement in {one.sha256: one for one in measurements.values()}.values():
        sharing = [claim for claim in claims if measurements[claim.id].sha256 == measurement.sha256]
        checked += _check(bundle, sharing, measurement, loaded, watch, command)
    checked.sort(key=lambda one: [claim.id for claim in claims].index(one.claim.id))
    states = {one.claim.id: ClaimState(verdict=one.verdict) for one in checked}
    made = any(_is_made(bundle, numbers) for one in checked for numbers in one.draws)
    found = None if only else badge(bundle.finding, states, roles=bundle.roles)
    return Verification(bundle, tuple(checked), found, made)


def stake_of(claim: Claim, measurement: Measurement) -> Stake:
    assert claim.technique is not None and claim.expect is not None
    return Stake(claim.technique, measurement.spec, claim.expect, claim.kind, measurement.model.dimensions)


def gate_of(bundle: Bundle, claim: Claim) -> Gate:
    assert claim.spec is not None
    prompts = claim.spec.prompts
    behavior = bundle.behaviors[prompts.behavior] if isinstance(prompts, OtherPrompts) else bundle.behavior
    return Gate(behavior.metric, behavior.chance, behavior.threshold)


def _check(
    bundle: Bundle, claims: Sequence[Claim], measurement: Measurement, loaded: Loaded, watch: Watch, command: str
) -> Iterable[ClaimChecked]:
    """The claims of one measurement: its draws, then each claim's control and verdict."""
    said = {claim.id: sentence(claim, bundle.behavior.title, bundle.finding.circuit.groups) for claim in claims}
    stakes = [(stake_of(claim, measurement), gate_of(bundle, claim)) for claim in claims]
    try:
        prepare(measurement, vocabulary_of(loaded.tokenizer, measurement.model, loaded.outputs))
        fit = fit_of(measurement, loaded)
        draws = _draws(bundle, measurement, stakes, fit, watch(claims[0].id), command)
        controls = [_control(bundle, claim, fit, watch(f"{claim.id}: control"), command) for claim in claims]
    except (Refused, CannotEdit) as error:
        return [ClaimChecked(claim, said[claim.id], refused=str(error)) for claim in claims]
    return [
        ClaimChecked(claim, said[claim.id], draws, judge(stake, gate, draws, control))
        for claim, (stake, gate), control in zip(claims, stakes, controls, strict=True)
    ]


def _draws(
    bundle: Bundle, measurement: Measurement, stakes: Stakes, fit: Fit, progress: Progress, command: str
) -> tuple[Numbers, ...]:
    """Draw 0 and a fresh one; one draw where the prompts are stated or enumerated."""
    source = measurement.prompts.source
    seeded = GENERATORS[source.generator].draws(source) == "seeded"
    published = bundle.seeds.get(measurement.sha256, {})
    seeds = {0: None, 1: published.get("1") or token_hex(32)} if seeded else {0: None}
    return tuple(
        measure(job(measurement, draw, fit.loaded, command, fit), seed, stakes, progress)
        for draw, seed in seeds.items()
    )


def _control(bundle: Bundle, claim: Claim, fit: Fit, progress: Progress, command: str) -> Control | None:
    measurement = control_of(bundle, claim)
    if measurement is None:
        return None
    run = job(measurement, 0, fit.loaded, command, fit)
    match measurement.control:
        case RandomSets():
            return try_sets(run, measurement.control, None, progress, gate_of(bundle, claim).chance)
        case Power():
            return try_power(run, measurement.control, None, progress)
        case None:
            return None


def _is_made(bundle: Bundle, numbers: Numbers) -> bool:
    published = bundle.seeds.get(numbers.measurement, {})
    return numbers.seed is not None and numbers.draw > 0 and published.get(str(numbers.draw)) != numbers.seed
