"""Which components of a holding claim had an effect of their own (EVIDENCE 4): a passenger is not covered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from workers.engine.documents.expect import named_by
from workers.engine.numbers import Edited, Numbers
from workers.engine.reading import row_of
from workers.engine.report import Share, additive, in_reported_units, own_effect, own_effects
from workers.engine.statistics import Sample, estimate, interval
from workers.engine.vacuity import smallest_effect
from workers.engine.verdict import Stake


@dataclass(frozen=True)
class Own:
    """component -> True (its own effect lies beyond the smallest of interest), False (it does not), None (unclear)."""

    shown: Mapping[str, bool | None]

    @property
    def all_clear(self) -> bool:
        return None not in self.shown.values()


def members_shown(stake: Stake, draws: Sequence[Numbers], chance: float, alpha: float) -> dict[str, bool]:
    """Shown means shown in every one of the draws."""
    owns = [own_in_draw(stake, numbers, chance, alpha).shown for numbers in draws]
    names = owns[0] if owns else {}
    return {name: stake.spec.shows(name) and all(own.get(name) is True for own in owns) for name in names}


def own_in_draw(stake: Stake, numbers: Numbers, chance: float, alpha: float) -> Own:
    """At the first look that makes it clear, each component by itself."""
    shown: dict[str, bool | None] = {}
    looks = numbers.looks[-1:] if numbers.population == "enumerated" else numbers.looks
    for count in looks:
        seen = _at_look(stake, Share(numbers, count), chance, alpha)
        shown = {name: clear if (clear := shown.get(name)) is not None else now for name, now in seen.items()}
        if None not in shown.values():
            break
    return Own(shown)


def _at_look(stake: Stake, share: Share, chance: float, alpha: float) -> dict[str, bool | None]:
    """Beyond, in the direction of the claim's own effect: a member that works against its group is not covered by it.

    What one component does when only it is kept is seen from the floor; without a floor arm it is not shown.
    """
    numbers, spec = share.numbers, stake.spec
    arms = _claimed_arms(stake, numbers.edited)
    if not any(arm.components for arm in arms):
        return {}  # a circuit of edges: nothing tells which of its ends did what
    whole = own_effects(spec, share, arms, chance)
    sign = 1.0 if estimate(whole).mean() >= 0 else -1.0
    noise = in_reported_units(spec, share, numbers.soundness.noise_floor)
    least = max(smallest_effect(replace(stake, spec=additive(spec)), share), noise)
    if len(arms) == 1 and len(arms[0].components) > 1:
        return _of_group(stake, share, arms[0], (sign, least), chance, alpha)
    names = ["+".join(arm.components) for arm in arms]
    if spec.keeps_only and numbers.floor is None:
        return dict.fromkeys(names, False)
    return dict(zip(names, _beyond(whole, sign, least, alpha), strict=True))


def _of_group(
    stake: Stake, share: Share, group: Edited, beyond: tuple[float, float], chance: float, alpha: float
) -> dict[str, bool | None]:
    """A member that was not measured by itself is not shown."""
    shown: dict[str, bool | None] = dict.fromkeys(group.components, False)
    for without in share.numbers.members:
        left_out = set(group.components) - set(without.components)
        if len(left_out) == 1:
            sample = own_effect(stake.spec, share, group, without, chance)
            shown[left_out.pop()] = _beyond(sample, *beyond, alpha)[0]
    return shown


def _beyond(sample: Sample, sign: float, least: float, alpha: float) -> list[bool | None]:
    low, high = (end * sign for end in interval(sample, alpha))
    low, high = np.minimum(low, high), np.maximum(low, high)
    return [True if a > least else False if b <= least else None for a, b in zip(low, high, strict=True)]


def _claimed_arms(stake: Stake, arms: Sequence[Edited]) -> list[Edited]:
    """All of them, where the expectation names none."""
    names = tuple("+".join(arm.components) for arm in arms)
    return [arms[row_of(text, names)] for text in named_by(stake.expect)] or list(arms)
