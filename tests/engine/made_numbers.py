"""Numbers, stakes and controls written down by hand, with the arithmetic simple enough to check by eye."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from workers.engine.documents.expect import ClaimKind, ExpectField
from workers.engine.judge import Gate, Stake
from workers.engine.numbers import (
    Edited,
    Environment,
    Numbers,
    PowerTried,
    PromptKept,
    SetsTried,
    Soundness,
    TriedSet,
)
from workers.engine.techniques import TECHNIQUES

GATE = Gate(metric="logit_diff", chance=0.0, threshold=1.0)
ENVIRONMENT = Environment(
    engine="1",
    weights_sha256="sha256:" + "0" * 64,
    tokenizer_sha256=None,
    python="3.11",
    torch="2.13",
    transformers="5.0",
    numpy="2.0",
    device="cpu",
    machine="a table",
    dtype="float32",
    threads=1,
    command="by hand",
)
SOUND = Soundness(
    wrote=True, largest_change=1.0, null_difference=0.0, oracle_difference=0.0, oracle_prompts=8, noise_floor=1e-6
)


def stake(expect: Mapping[str, Any], kind: ClaimKind = "effect", technique: str = "ablation", **spec: Any) -> Stake:
    stated: dict[str, Any] = {"metric": "logit_diff", "components": ["0.0"], **spec}
    if technique == "behavior":
        del stated["components"]
    read = TypeAdapter(ExpectField).validate_python(expect)
    return Stake(technique, TECHNIQUES[technique].spec.from_json(stated), read, kind)


def spread(middle: float, n: int = 64, width: float = 0.1, seed: int = 0) -> tuple[float, ...]:
    """n numbers whose mean is exactly the middle, about normal, with the given standard deviation."""
    drawn = np.random.default_rng(seed).normal(size=n)
    standard = (drawn - drawn.mean()) / drawn.std(ddof=1)
    return tuple(float(value) for value in middle + width * standard)


def ones(successes: int, n: int = 64) -> tuple[float, ...]:
    return (1.0,) * successes + (0.0,) * (n - successes)


def numbers(
    edited: Mapping[str, Sequence[float]],
    clean: Sequence[float] | None = None,
    draw: int = 0,
    metric: str = "logit_diff",
    members: Mapping[str, Sequence[float]] | None = None,
    **more: Any,
) -> Numbers:
    """edited: "0.0" or "0.0+0.1" -> the metric per prompt. members: the component left out -> the group without it."""
    n = len(next(iter(edited.values())))
    untouched = tuple(clean) if clean is not None else spread(3.0, n, seed=draw + 100)
    group = next(iter(edited)).split("+")
    left_out = [
        Edited(components=tuple(one for one in group if one != name), arm={metric: tuple(values)})
        for name, values in (members or {}).items()
    ]
    filled: dict[str, Any] = {
        "protocol": 1,
        "measurement": "sha256:" + "1" * 64,
        "draw": draw,
        "seed": "0",
        "looks": (n,),
        "planned_looks": 4,
        "population": "seeded",
        "unit": "prompt",
        "prompts": kept(n),
        "base": "clean",
        "clean": {metric: untouched},
        "edited": tuple(
            Edited(components=tuple(name.split("+")), arm={metric: tuple(arm)}) for name, arm in edited.items()
        ),
        "members": tuple(left_out),
        "gate": spread(3.0, n, seed=draw + 200),
        "soundness": SOUND,
        "environment": ENVIRONMENT,
        **more,
    }
    return Numbers(**filled)


def kept(n: int, templates: int = 1, per_unit: int = 1) -> tuple[PromptKept, ...]:
    return tuple(
        PromptKept(hash=f"h{i}", template=f"t{(i // per_unit) % templates}", unit=f"u{i // per_unit}") for i in range(n)
    )


def tried(own: float, values: Sequence[float], possible: int = 1000, **sound: Any) -> SetsTried:
    return SetsTried(
        protocol=1,
        measurement="sha256:" + "2" * 64,
        draw=0,
        seed="0",
        prompts=kept(64),
        pool="same layers",
        excluded=(),
        possible=possible,
        own=own,
        tried=tuple(TriedSet(components=(f"9.{i}",), value=value) for i, value in enumerate(values)),
        soundness=SOUND.model_copy(update=sound),
        environment=ENVIRONMENT,
    )


def power(reference: Numbers) -> PowerTried:
    return PowerTried(components=("0.*",), numbers=reference)
