"""The positive control (EVIDENCE 3.2): was what was measured what the spec says?"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from workers.engine.documents.spec import Spec
from workers.engine.numbers import Arm, Numbers, SetsTried, Soundness

LARGEST_ORACLE_DIFFERENCE = 1e-4
"""Between the fast path and plain hooks, as a share of the metric's size."""

LARGEST_PRECISION_DIFFERENCE = 5e-2
"""Between half and single precision, as a share of the metric's size."""


def why_unsound(spec: Spec, edits: bool, gated: bool, numbers: Numbers) -> str | None:
    """Why the numbers cannot be believed, or None."""
    return next(_faults(spec, edits, gated, numbers), None)


def why_unsound_control(tried: SetsTried) -> str | None:
    values = [tried.own, *(one.value for one in tried.tried)]
    if not all(map(math.isfinite, values)):
        return "the random sets' control holds a number that is not finite"
    if not tried.soundness.wrote:
        return "in the random sets' control a hook did not fire or did not write"
    return None


def _faults(spec: Spec, edits: bool, gated: bool, numbers: Numbers) -> Iterator[str]:
    yield from _broken_arms(spec, gated, numbers)
    if not numbers.soundness.wrote:
        yield "a hook did not fire or did not write"
    if edits:
        yield from _broken_edit(spec, numbers)
    yield from _differing(spec, numbers)
    rough = numbers.soundness.precision_difference
    if rough is not None and not rough <= LARGEST_PRECISION_DIFFERENCE * _size(spec, numbers):
        yield f"{numbers.environment.dtype} and float32 differ by {rough:.2g}; measure in float32"


def _broken_arms(spec: Spec, gated: bool, numbers: Numbers) -> Iterator[str]:
    if not numbers.prompts or not numbers.edited or not numbers.looks or numbers.looks[-1] != len(numbers.prompts):
        yield "the run holds no prompts, no edited arm, or looks that do not end with its last prompt"
    if gated and numbers.gate is None:
        yield "the behavior's own metric was not measured"
    if spec.report == "recovered" and numbers.corrupted is None:
        yield "the corrupted prompts were not measured"
    if spec.at_floor() is not None and numbers.floor is None and not spec.counts_from_zero:
        yield "the floor was not measured"
    if spec.contrast and numbers.contrast is None:
        yield "the contrast was not measured"
    for name, arm in _arms(numbers):
        yield from _broken_arm(name, arm.get(spec.metric), spec.metric, len(numbers.prompts))
    if gated:
        yield from _broken_arm("gate", numbers.gate, "the behavior's metric", len(numbers.prompts))


def _arms(numbers: Numbers) -> Iterator[tuple[str, Arm]]:
    yield "clean", numbers.clean
    if numbers.corrupted is not None:
        yield "corrupted", numbers.corrupted
    if numbers.floor is not None:
        yield "floor", numbers.floor
    contrast = () if numbers.contrast is None else (numbers.contrast,)
    for edited in (*numbers.edited, *contrast, *numbers.members):
        yield "+".join(edited.components), edited.arm


def _broken_arm(name: str, values: tuple[float, ...] | None, metric: str, prompts: int) -> Iterator[str]:
    if values is None:
        yield f"the arm {name} holds no {metric}"
    elif len(values) != prompts:
        yield f"the arm {name} holds {len(values)} numbers for {prompts} prompts"
    elif not all(map(math.isfinite, values)):
        yield f"{metric} of the arm {name} is not finite on every prompt"


def _broken_edit(spec: Spec, numbers: Numbers) -> Iterator[str]:
    sound = numbers.soundness
    if sound.largest_change is None or sound.null_difference is None or sound.oracle_difference is None:
        yield "the run does not say whether its edit changed anything, or whether a null edit changed nothing"
        return
    if not math.isfinite(sound.largest_change):
        yield "the edit wrote values that are not finite"
    if not sound.null_difference <= sound.noise_floor:
        yield f"a null edit changed the metric by {sound.null_difference:.2g}, beyond the noise floor"


def _differing(spec: Spec, numbers: Numbers) -> Iterator[str]:
    """What only reads is computed twice as well."""
    found = numbers.soundness.oracle_difference
    if found is not None and not found <= max(
        numbers.soundness.noise_floor, LARGEST_ORACLE_DIFFERENCE * _size(spec, numbers)
    ):
        yield f"the fast way and plain hooks differ by {found:.2g}"


def _size(spec: Spec, numbers: Numbers) -> float:
    clean = np.asarray(numbers.clean[spec.metric], dtype=np.float64)
    return float(max(np.abs(clean).mean(), clean.std()))


def nothing_was_changed(edits: bool, sound: Soundness) -> bool:
    """Every written value equalled the old one, on every prompt. (A change without effect is a measured 0.)"""
    return edits and sound.largest_change == 0
