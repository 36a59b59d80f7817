"""Techniques: ways to test a claim. One file each; the folder is the registry, the file name is the key.

A file holds, in this order: a docstring (what it tests, when it holds, its source), `Spec` (frozen), `run`,
`sentence`, `TECHNIQUE`. Torch is imported only inside `run`. Gate, draws, intervals, controls and judgement are
shared code that no technique can leave out.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from workers.engine.documents.spec import Spec
from workers.engine.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workers.engine.setting import Effect, Effects, Setting


Picture = Literal["intervals", "heads", "layers", "positions", "bars", "graph"]
"""How the numbers of several components are best looked at: an interval for each, a layers × heads map, a line along
the layers, a layers × positions map, bars in order of size, or arrows from component to component.
"""


def no_variants(spec: Spec) -> tuple[Spec, ...]:
    return ()


def one_run(spec: Spec) -> int:
    return 1


def two_runs(spec: Spec) -> int:
    return 2


@dataclass(frozen=True)
class Technique:
    """causal: an effect of it can cover nodes. gated: the model must show the behavior first (EVIDENCE 3.1).

    controlled: random sets of components are its specificity control (3.5). edits: it intervenes, so the positive
    control applies (3.2). run(setting, specs) -> one effect per spec, each with a value per prompt.
    variants(spec) -> the same claim under other conventions, where a change of sign would be worth knowing.
    picture: for several components at once; a single number is always shown as its interval.
    alternative(spec, n) -> the spec with the n-th random direction in place of the fitted one: what its control tries
    instead of random components.
    fits: how many populations it runs to fit something, beside those that ablations take values from.
    corrupted(setting, spec) -> the corrupted arm, where the technique makes that run itself and not from other prompts.
    passes(spec) -> how many runs of the model one arm takes at most, for the estimate of what a measurement costs.
    sentence(spec) -> what is measured, in words, beginning with a verb in -ing, e.g. "knocking out 9.9 …".
    """

    version: int
    spec: type[Spec]
    causal: bool
    gated: bool
    controlled: bool
    edits: bool
    run: Callable[[Setting, Sequence[Any]], Effects]
    sentence: Callable[[Any], str]
    variants: Callable[[Any], tuple[Spec, ...]] = no_variants
    passes: Callable[[Any], int] = one_run
    fits: int = 0
    alternative: Callable[[Any, int], Spec] | None = None
    corrupted: Callable[[Setting, Any], Effect] | None = None
    picture: Picture = "intervals"


TECHNIQUES: Registry[Technique] = Registry(sys.modules[__name__], "TECHNIQUE", Technique)
