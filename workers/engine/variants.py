"""Does an effect depend on a convention? A variant is the same measurement under another one (EVIDENCE 3.6)."""

from __future__ import annotations

from workers.engine.documents.spec import Spec
from workers.engine.draws import alpha_of, chance_of
from workers.engine.null import null_value
from workers.engine.numbers import Numbers
from workers.engine.report import Share, reported
from workers.engine.statistics import interval
from workers.engine.verdict import Gate, Stake


def changes_sign(stake: Stake, gate: Gate | None, own: Numbers, variant: Numbers, variant_spec: Spec) -> bool:
    """Whether some component's effect lies beyond the null value on one side in `own` and on the other in `variant`.

    Both intervals must exclude the null value: a sign that is not shown does not count as another one.
    """
    chance = chance_of(stake, gate)
    pairs = zip(_signs(stake.spec, own, chance), _signs(variant_spec, variant, chance), strict=True)
    return any(first * second < 0 for first, second in pairs)


def _signs(spec: Spec, numbers: Numbers, chance: float) -> list[int]:
    """For each edited arm: 1 above the null value, -1 below it, 0 where the interval does not say."""
    sample = reported(spec, Share(numbers, len(numbers.prompts)), numbers.edited, chance)
    low, high = interval(sample, alpha_of(numbers))
    null = null_value(spec, chance)
    return [int(a > null) - int(b < null) for a, b in zip(low, high, strict=True)]
