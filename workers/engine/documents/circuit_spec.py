"""What the techniques share that keep a circuit and ablate everything else of its kinds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, Self

from pydantic import model_validator

from workers.engine.documents import spec
from workers.engine.documents.components import component
from workers.engine.documents.document import Slug
from workers.engine.documents.spec import Ablation, OtherPrompts

Others = Literal["heads", "heads_and_mlps"]
Averaged = Literal["per_position", "pooled"]


class CircuitSpec(spec.Spec):
    """others: what is ablated wherever it is not kept. ablation: what takes its place (see the technique ablation).

    mean: at the same token of the same template, or pooled. mean_over: the prompts that means and resampled values come
    from (null: the same kind of prompts, drawn apart). corruption: they come from these prompts corrupted.
    """

    # one class between a technique's spec and the shared one, so that four techniques cannot mean different things
    ablation: Ablation = "mean"
    others: Others = "heads"
    mean: Averaged = "per_position"
    mean_over: Slug | OtherPrompts | None = None

    @model_validator(mode="after")
    def _every_field_of_the_ablation_counts(self) -> Self:
        if self.ablation != "mean" and self.mean != "per_position":
            raise ValueError(f"{self.ablation} ablation takes no mean: remove mean")
        if self.ablation == "zero" and self.mean_over is not None:
            raise ValueError("zero ablation takes no other prompts: remove mean_over")
        return self

    @property
    def other_prompts(self) -> dict[str, Slug | OtherPrompts]:
        return {} if self.mean_over is None else {"mean_over": self.mean_over}


def refuse_unkeepable(texts: Iterable[str], others: Others) -> None:
    """A circuit to be kept consists of what is ablated elsewhere."""
    kept = ("head",) if others == "heads" else ("head", "mlp")
    for text in texts:
        if not text.startswith("#") and (component(text).kind not in kept or component(text).part is not None):
            raise ValueError(f"{text} cannot be kept: with others {others!r}, {' and '.join(kept)} are, and only whole")


def without(circuit: tuple[str, ...], removed: Iterable[str]) -> tuple[str, ...]:
    """The circuit's components but those that a removed one covers."""
    gone = [component(text) for text in removed]
    return tuple(text for text in circuit if not any(one.covers(component(text)) for one in gone))
