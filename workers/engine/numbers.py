"""What a run measured: per-prompt values and the evidence that the run was sound. No verdict, no p, no r in here.

Any verdict can be recomputed from these without a GPU, by `judge`.
"""

from __future__ import annotations

from typing import Literal

from workers.engine.documents.document import Document

Arm = dict[str, tuple[float, ...]]
"""Metric -> one value per prompt, in the order of `Numbers.prompts`. Always holds the claimed metric; besides
logit_diff, prob and kl where they can be computed. KL is D(clean || arm) of the next-token distributions."""


class PromptKept(Document):
    hash: str
    template: str
    unit: str


class Edited(Document):
    """One arm under the technique's own intervention. components: what was edited together (or looked at)."""

    components: tuple[str, ...]
    arm: Arm


class Environment(Document):
    """Where and with what the run was made."""

    engine: str
    weights_sha256: str
    tokenizer_sha256: str | None
    python: str
    torch: str
    transformers: str
    numpy: str
    device: str
    machine: str
    dtype: str
    threads: int
    flags: dict[str, str] = {}
    command: str


class Soundness(Document):
    """The positive control (EVIDENCE 3.2), and how far the fast path lies from the slow truth.

    wrote: every hook fired and wrote. largest_change: of a written value from the old one, over all prompts (null for
    techniques that edit nothing). null_difference: of the metric, when every value is replaced by itself.
    oracle_difference: of the metric between replay and plain hooks on `oracle_prompts` prompts.
    noise_floor: differences of the metric below this mean nothing. precision_difference: of the metric in half
    precision from the same in float32, on as many prompts (null: the run was in float32).
    """

    wrote: bool
    largest_change: float | None
    null_difference: float | None
    oracle_difference: float | None
    oracle_prompts: int
    noise_floor: float
    precision_difference: float | None = None


class Numbers(Document):
    """One draw of one measurement.

    seed: what the prompts were drawn with (null: stated or enumerated). looks: how many prompts had been measured at
    each look, the last one being all. planned_looks: how many looks the draw could have taken at most, which sets the
    level of each interval. base: the untouched arm that the edit was made in.
    edited: one arm (over: group) or one per component (over: each, mean, min), in the spec's order.
    contrast: the second edited arm, where the spec has one. members: over: group with several components, the group
    edited without that one component. floor: the arm `kept` is measured from, where it is not a constant zero effect.
    gate: the behavior's own metric on the clean prompts.
    """

    protocol: int
    measurement: str
    draw: int
    seed: str | None
    looks: tuple[int, ...]
    planned_looks: int
    population: Literal["seeded", "stated", "enumerated"]
    unit: str
    prompts: tuple[PromptKept, ...]
    base: Literal["clean", "corrupted"]
    clean: Arm
    corrupted: Arm | None = None
    floor: Arm | None = None
    edited: tuple[Edited, ...]
    contrast: Edited | None = None
    members: tuple[Edited, ...] = ()
    gate: tuple[float, ...] | None = None
    soundness: Soundness
    environment: Environment


class TriedSet(Document):
    components: tuple[str, ...]
    value: float


class SetsTried(Document):
    """A random-set control: the reported value of each tried set, and of the spec itself, on the same prompts.

    possible: how many different sets the pool holds. pool: which pool decided. tried is cut short once ten sets were
    at least as extreme as the spec's own value, towards the expectation.
    """

    kind: Literal["random_sets"] = "random_sets"
    protocol: int
    measurement: str
    draw: int
    seed: str | None
    prompts: tuple[PromptKept, ...]
    pool: Literal["same layers", "any layer", "random directions"]
    excluded: tuple[str, ...]
    possible: int
    own: float
    tried: tuple[TriedSet, ...]
    soundness: Soundness
    environment: Environment


class PowerTried(Document):
    """A power control: the reference edit's arms on the same prompts as the claim's own."""

    kind: Literal["power"] = "power"
    components: tuple[str, ...]
    numbers: Numbers


Control = SetsTried | PowerTried
