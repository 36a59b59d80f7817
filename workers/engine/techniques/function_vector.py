"""Function vector: what some heads write on average when a task was shown by examples, put where none was shown.

A head's mean z at a position is taken over prompts with examples (`examples`), apart from those measured. `add` sums
what the named heads write with their means, z W_O, and adds it to the residual stream of another run: of prompts
without examples, or with shuffled ones (the corruption). `patch` puts the mean z into the heads themselves: its
change of the right answer's probability, head by head, is the average indirect effect by which function-vector heads
are found. Random sets are as many other heads. Source: Todd et al. 2023 (arXiv 2310.15213).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Self, assert_never

from pydantic import model_validator

from workers.engine.documents import spec
from workers.engine.documents.components import component
from workers.engine.documents.document import Slug
from workers.engine.documents.spec import Base, OtherPrompts, Place, Places, Report
from workers.engine.techniques import Technique
from workers.engine.words import contrast_in_words, given_in_words, places_in_words, prompts_in_words

if TYPE_CHECKING:
    from workers.engine.edit import Edit
    from workers.engine.setting import Effects, Setting


class Spec(spec.Spec):
    """components: heads, each at the position where its mean is taken. into: where their sum is added (for add only).

    examples: the prompts that show the task (null: the same kind as those measured, drawn apart). run_on: the run
    that is edited, clean or corrupted.
    """

    components: Places
    action: Literal["add", "patch"] = "add"
    into: Place | None = None
    examples: Slug | OtherPrompts | None = None
    run_on: Base = "clean"
    report: Report = "change"

    @model_validator(mode="after")
    def _every_field_counts(self) -> Self:
        if (self.action == "add") != (self.into is not None):
            raise ValueError("into says where the vector is added: write it for add, as resid.9@END, and only there")
        if self.into is not None and (self.into.startswith("#") or not _is_stream(self.into)):
            raise ValueError(f"into: {self.into} is not one residual stream at a position; write it as resid.9@END")
        if self.run_on == "corrupted" and self.corruption is None:
            raise ValueError("run_on 'corrupted' needs corrupted prompts: name a corruption of the behavior")
        if self.report == "kept":
            raise ValueError("report 'kept' belongs to ablation; report 'change' or 'recovered'")
        return self

    @model_validator(mode="after")
    def _sums_heads(self) -> Self:
        for text in (*self.components, *self.contrast):
            if not text.startswith("#") and not _is_head(text):
                raise ValueError(f"{text} is no head at a position; write where its mean is taken as 9.9@END")
        return self

    @property
    def base(self) -> Base:
        return self.run_on

    def power_reference(self, layers: Sequence[int]) -> tuple[str, ...]:
        """All heads of the layers, at the same positions."""
        positions = dict.fromkeys(text.partition("@")[2] for text in self.components)
        return tuple(f"{layer}.*@{at}" for layer in layers for at in positions)

    @property
    def other_prompts(self) -> dict[str, Slug | OtherPrompts]:
        return {} if self.examples is None else {"examples": self.examples}


def run(setting: Setting, specs: Sequence[Spec]) -> Effects:
    """Each spec's heads summed, or patched, together, in one base run. The specs differ in components alone."""
    from workers.engine.directions import edited

    return edited(setting, specs, _edits)


def sentence(spec: Spec) -> str:
    heads = places_in_words(spec.components, spec.over)
    shown = prompts_in_words(spec.examples, "clean prompts of the same kind")
    where = "" if spec.run_on == "clean" else f" in the run on {spec.corruption}-corrupted prompts"
    rest = contrast_in_words(spec.contrast) + given_in_words(spec.given)
    match spec.action:
        case "add":
            return f"adding the function vector of {heads}, its mean over {shown}, to {spec.into}{where}{rest}"
        case "patch":
            return f"putting the mean over {shown} of {heads} into the heads themselves{where}{rest}"
        case _:
            assert_never(spec.action)


def _edits(setting: Setting, spec: Spec) -> list[Edit]:
    from workers.engine.directions import added, function_vector, put, z_on_average
    from workers.engine.fit import Population

    shown = Population("prompts" if spec.examples is None else "examples")
    heads = [component(text) for text in spec.components]
    match spec.action:
        case "add":
            assert spec.into is not None
            return [added(setting, component(spec.into), function_vector(setting.fit, heads, shown))]
        case "patch":
            return [put(setting, head, z_on_average(setting.fit, head, shown)) for head in heads]
        case _:
            assert_never(spec.action)


def _is_head(text: str) -> bool:
    place = component(text)
    return place.kind == "head" and place.part is None and place.position is not None


def _is_stream(text: str) -> bool:
    place = component(text)
    return place.kind in ("resid", "embed") and not place.is_wildcard and place.position is not None


TECHNIQUE = Technique(
    version=1,
    spec=Spec,
    causal=True,
    gated=True,
    controlled=True,
    edits=True,
    run=run,
    sentence=sentence,
    fits=1,
    picture="heads",
)
