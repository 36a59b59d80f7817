"""The engine, asked as a measurement asks it: through its techniques, recorded runs included."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from benchmarks.engine.inputs import Task
from workers.engine.answers import AnswerTable
from workers.engine.arms import settings
from workers.engine.attributing import attribute
from workers.engine.documents.measurement import PromptPart
from workers.engine.edge_scores import EdgeScores, edge_scores
from workers.engine.fit import Fit
from workers.engine.loading import Loaded, load_folder
from workers.engine.prepare import prompts_of
from workers.engine.prompts import GENERATORS, Vocabulary
from workers.engine.prompts.pairs import PairsSource, TokenPrompt
from workers.engine.record import Record
from workers.engine.setting import Setting
from workers.engine.techniques import TECHNIQUES

CORRUPTION = "other"
STEPS = 5


def load(task: Task) -> Loaded:
    return load_folder(task.model, task.device)


def head_sweep(loaded: Loaded, task: Task, sampled: Sequence[Sequence[int]]) -> Iterator[Tensor]:
    """(layers * heads, pairs); the whole sweep, whatever is sampled of it elsewhere."""
    yield from _swept(loaded, task, "activation_patching", _heads(task))


def residual_sweep(loaded: Loaded, task: Task, sampled: Sequence[Sequence[int]]) -> Iterator[Tensor]:
    """(layers * positions, pairs)."""
    length = task.clean.shape[1]
    yield from _swept(
        loaded,
        task,
        "activation_patching",
        [f"resid.{layer}@P{at}" for layer in range(task.layers) for at in range(length)],
    )


def path_patching(loaded: Loaded, task: Task, sampled: Sequence[Sequence[int]]) -> Iterator[Tensor]:
    """(layers * heads, pairs): each head's path to the logits, MLPs recomputed."""
    yield from _swept(loaded, task, "path_patching", _heads(task))


def attribution(loaded: Loaded, task: Task, sampled: Sequence[Sequence[int]]) -> Iterator[Tensor]:
    """(layers * heads, pairs): the corrupted run's logit difference, and what a gradient adds to it for each head."""
    found = attribute(loaded, task.clean, task.corrupted, _answers(task), "logit_diff")
    yield found.metric[None].double()
    slopes = torch.stack([found.found[layer, "z"].sum(1).T for layer in range(task.layers)])  # (layer, head, pairs)
    yield (found.metric + slopes.flatten(0, 1)).double()


def eap(loaded: Loaded, task: Task, sampled: Sequence[Sequence[int]]) -> Iterator[Tensor]:
    """(forward nodes, backward nodes), in the order of the authors' code and with its sign: corrupted less clean."""
    yield torch.zeros(1)
    scores = edge_scores(loaded, task.corrupted, task.clean, _answers(task), "logit_diff")
    yield _in_their_order(task, scores)


def eap_ig(loaded: Loaded, task: Task, sampled: Sequence[Sequence[int]]) -> Iterator[Tensor]:
    """The same; gradients at k / steps of the way from the corrupted to the clean run, k = 0, 1, …"""
    yield torch.zeros(1)
    shares = [step / STEPS for step in range(STEPS)]
    scores = edge_scores(loaded, task.clean, task.corrupted, _answers(task), "logit_diff", shares)
    yield -_in_their_order(task, scores)


def _answers(task: Task) -> AnswerTable:
    """What is read at the last position."""
    right, wrong = task.right[:, None, None], task.wrong[:, None, None]
    reads = torch.full_like(task.right[:, None], task.clean.shape[1] - 1)
    real = torch.ones_like(right, dtype=torch.bool)
    return AnswerTable(reads, real[..., 0], right, real, wrong, real)


def _in_their_order(task: Task, found: EdgeScores) -> Tensor:
    senders, receivers = ["embed"], list[str]()
    for layer in range(task.layers):
        heads = [f"{layer}.{head}" for head in range(task.heads)]
        senders += [*heads, f"mlp.{layer}"]
        receivers += [*(f"{head}.{part}" for part in "qkv" for head in heads), f"mlp.{layer}"]
    rows = {str(one): row for row, one in enumerate(found.senders)}
    columns = {str(one): column for column, one in enumerate(found.receivers)}
    scores: Tensor = found.scores[[rows[name] for name in senders]]
    return scores[:, [columns[name] for name in [*receivers, "logits"]]]


def faithfulness(loaded: Loaded, task: Task, sampled: Sequence[Sequence[int]]) -> Iterator[Tensor]:
    """(clean | circuit | floor, pairs)."""
    circuit = tuple(f"{layer}.{head}" for layer, head in task.circuit)
    ablate = {"action": "keep_only", "ablation": "mean"}
    fields = [{**ablate, "components": kept} for kept in (circuit, ())]
    clean, kept = _measured(loaded, task, "ablation", fields, lambda setting: setting.clean)
    yield clean
    yield torch.cat([clean, kept])


WORKS = {
    "head sweep": head_sweep,
    "residual sweep": residual_sweep,
    "faithfulness": faithfulness,
    "path patching": path_patching,
    "attribution": attribution,
    "EAP": eap,
    "EAP-IG": eap_ig,
}


def _heads(task: Task) -> list[str]:
    return [f"{layer}.{head}" for layer in range(task.layers) for head in range(task.heads)]


def _swept(loaded: Loaded, task: Task, technique: str, places: Sequence[str]) -> Iterator[Tensor]:
    """The untouched run (1, pairs), then the run under each place's edit (places, pairs)."""
    fields = [{"components": (place,)} for place in places]
    yield from _measured(loaded, task, technique, fields, lambda setting: setting.corrupted(CORRUPTION))


def _measured(
    loaded: Loaded,
    task: Task,
    technique: str,
    fields: Sequence[dict[str, Any]],
    untouched: Callable[[Setting], Record],
) -> tuple[Tensor, Tensor]:
    """The untouched run's logit difference (1, pairs), and that under each spec (spec, pairs), batch after batch."""
    asked = TECHNIQUES[technique]
    usual = {"metric": "logit_diff", "corruption": CORRUPTION}
    whole = asked.spec.model_validate({**usual, **fields[0], "components": ("0.0",)})
    specs = [whole.model_copy(update=different) for different in fields]
    before, under = list[Tensor](), list[Tensor]()
    for batch in settings_of(loaded, task):
        before.append(batch.untouched(untouched(batch)).arm["logit_diff"])
        under.append(torch.stack([effect.arm["logit_diff"] for effect in asked.run(batch, specs)]))
    return torch.cat(before)[None], torch.cat(under, dim=1)


def settings_of(loaded: Loaded, task: Task) -> Iterator[Setting]:
    """The pairs as stated prompts, in batches as every measurement makes them; means are over the corrupted ones."""
    columns = (task.clean, task.corrupted, task.right, task.wrong)
    length = task.clean.shape[1]
    source = PairsSource(
        prompts=tuple(
            TokenPrompt(
                tokens=tuple(clean),
                corrupted={CORRUPTION: tuple(corrupted)},
                right=(right,),
                wrong=(wrong,),
                positions={f"P{at}": at for at in range(length)},
            )
            for clean, corrupted, right, wrong in zip(*(column.tolist() for column in columns), strict=True)
        )
    )
    vocabulary = Vocabulary(loaded.vocabulary, loaded.positions, bos=None)
    part = PromptPart(source=source, generator_version=GENERATORS["pairs"].version)
    fit = Fit(loaded, vocabulary, {"prompts": part}, "0" * 64)
    prompts = tuple(prompts_of(source, vocabulary, None))
    return (setting for _, setting in settings(prompts, loaded, fit, ("logit_diff",)))
