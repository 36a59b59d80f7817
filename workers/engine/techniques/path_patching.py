"""Path patching: what one component says is changed for one other component alone.

The senders take their values of the other run, and the change is let through along one path only: straight to the
receivers, or by way of `through`. Every other head keeps what it gave in the base run, wherever the change would reach
it. What the receivers then see is written into the base run, and everything behind them answers to it; for the logits
as receiver the number is the senders' direct effect. Senders act by the residual stream, so a sender and a receiver at
different positions have no path between them but by way of a head that carries it across.

What changes the number: whether MLPs on the way are `recomputed`, as in the IOI paper (a path then means "direct, or by
way of MLPs"), or `frozen`; and the direction, as in activation patching. Sources: Wang et al. 2022 (arXiv 2211.00593),
section 3.1 (noising; MLPs recomputed); Goldowsky-Dill et al. 2023 (arXiv 2304.05969), the method in general.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, Self, assert_never

from pydantic import Field, model_validator

from workers.engine.documents.components import Component, Part, component
from workers.engine.documents.reach import can_reach, out_of_reach
from workers.engine.documents.spec import Place, Places
from workers.engine.documents.two_runs import TwoRunsSpec
from workers.engine.techniques import Technique
from workers.engine.words import contrast_in_words, listed, places_in_words

if TYPE_CHECKING:
    from workers.engine.documents.model import Dimensions
    from workers.engine.edit import Edit
    from workers.engine.paths import Path, Stops
    from workers.engine.setting import Effects, Setting

PROJECTIONS: tuple[Part, ...] = ("q", "k", "v")
SENDERS = ("head", "mlp", "attn", "resid", "embed")


class Spec(TwoRunsSpec):
    """components: the senders, heads (their z), mlp, attn, resid, embed; each at its position, or at all.

    receivers: `9.9.q`, `9.9` (its q, k and v), `mlp.5`, `resid.5`; or `logits`, alone. Patched together.
    through: places that the path goes by on its way, in order: a head, its q, k or v, or an MLP.
    mlps: those that are not on the path answer to the change ("recomputed") or keep what they gave ("frozen").
    """

    receivers: Places = ("logits",)
    through: tuple[Place, ...] = Field(default=(), max_length=8)
    mlps: Literal["recomputed", "frozen"] = "recomputed"

    @model_validator(mode="after")
    def _leaves_the_rest_as_it_was(self) -> Self:
        if self.given:
            raise ValueError("path patching keeps what lies beside the path as it was: remove given")
        return self

    @model_validator(mode="after")
    def _is_a_path(self) -> Self:
        for text in (*self.components, *self.contrast):
            if not text.startswith("#") and (component(text).kind not in SENDERS or component(text).part):
                raise ValueError(f"{text} sends nothing by itself; name heads, mlp, attn, resid or embed as components")
        for text in self.receivers:
            if not text.startswith("#"):
                _refuse_deaf(text, self.receivers)
        for text in self.through:
            if text.startswith("#") or component(text).is_wildcard or not _may_lie_between(component(text)):
                raise ValueError(f"{text} cannot lie on a path; name one head, its q, k or v, or an MLP in `through`")
        return self

    @model_validator(mode="after")
    def _leads_somewhere(self) -> Self:
        """As far as the text says: groups and wildcards are looked at when they are written out."""
        steps = [self.components, *((text,) for text in self.through), self.receivers]
        for senders, receivers in itertools.pairwise(steps):
            places = [_concrete(texts) for texts in (senders, receivers)]
            if all(places) and not any(can_reach(one, other) for one in places[0] for other in places[1]):
                raise ValueError(
                    f"there is no path from {listed(senders)} to {listed(receivers)}: what comes later in the model "
                    "cannot be a sender"
                )
        return self

    def out_of_reach(self, dimensions: Dimensions) -> tuple[str, ...]:
        first = self.through[:1] or self.receivers
        return out_of_reach([component(text) for text in first], dimensions)


def run(setting: Setting, specs: Sequence[Spec]) -> Effects:
    """Each spec's senders patched together. The specs differ only in components."""
    from workers.engine.edit import read
    from workers.engine.path_oracle import patched_by_hooks
    from workers.engine.paths import patched_along
    from workers.engine.setting import edit

    first = specs[0]
    assert all(spec.editing(()) == first.editing(()) for spec in specs)
    base = setting.base(first)
    values = base if setting.how == "null" else setting.source(first)

    def sent(text: str) -> Edit:
        place = component(text)
        return edit(place, setting.at(place), read(values, place, None))

    senders = [[sent(text) for text in spec.components] for spec in specs]
    if setting.how == "oracle":
        return patched_by_hooks(setting, base, senders, _path(setting, first))
    return patched_along(setting, base, senders, _path(setting, first))


def sentence(spec: Spec) -> str:
    senders = places_in_words(spec.components, spec.over)
    by_way = f" by way of {listed(spec.through)}" if spec.through else ""
    mlps = "keeping what they gave" if spec.mlps == "frozen" else "recomputed"
    rest = f", MLPs {mlps}{contrast_in_words(spec.contrast)}"
    path = f"patching the path from {senders}{by_way} to {listed(spec.receivers)}"
    match spec.direction:
        case "denoise":
            return f"{path} with clean values in the run on {spec.corruption}-corrupted prompts{rest}"
        case "noise":
            return f"{path} with the values on {spec.corruption}-corrupted prompts in the clean run{rest}"
        case _:
            assert_never(spec.direction)


def runs_of(spec: Spec) -> int:
    """A frozen run, one more for each stop on the way, and the run of the answer."""
    return 2 + 2 * len(spec.through)


def _path(setting: Setting, spec: Spec) -> Path:
    from workers.engine.paths import Path

    receivers = () if spec.receivers == ("logits",) else _stops(setting, spec.receivers)
    return Path(tuple(_stops(setting, (text,)) for text in spec.through), receivers, spec.mlps)


def _stops(setting: Setting, texts: Sequence[str]) -> Stops:
    """Each place once, a head as its q, k and v."""
    stops = dict.fromkeys(stop for text in texts for stop in _inputs(component(text)))
    return tuple((stop.without_position(), setting.at(stop)) for stop in stops)


def _inputs(place: Component) -> Iterator[Component]:
    if place.kind != "head" or place.part is not None:
        yield place
        return
    for part in PROJECTIONS:
        yield replace(place, part=part)


def _refuse_deaf(text: str, receivers: tuple[str, ...]) -> None:
    place = component(text)
    if place.kind == "logits" and (place.position or len(receivers) > 1):
        raise ValueError("logits are received where the answers are read, and alone: write receivers ['logits']")
    if place.kind not in ("head", "mlp", "resid", "logits") or place.part == "pattern":
        raise ValueError(f"{text} receives nothing; name 9.9.q, .k or .v, 9.9 for all three, mlp, resid or logits")


def _may_lie_between(place: Component) -> bool:
    return place.kind in ("head", "mlp") and place.part != "pattern"


def _concrete(texts: Sequence[str]) -> list[Component]:
    """The places, or none of them if one names several."""
    if any(text.startswith("#") or component(text).is_wildcard for text in texts):
        return []
    return [component(text) for text in texts]


TECHNIQUE = Technique(
    version=1,
    spec=Spec,
    causal=True,
    gated=True,
    controlled=True,
    edits=True,
    run=run,
    sentence=sentence,
    passes=runs_of,
    picture="graph",
)
