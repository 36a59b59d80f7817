"""Linear probes of activations, fitted on one half of all possible prompts and tried on the other, and their control.

Which half a prompt belongs to is decided by its tokens alone: no prompt is ever told by a probe that was fitted on it,
even where prompts are few and those measured are those fitted on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Literal, cast

import numpy as np
import torch
from torch import Tensor

from workers.engine.documents.components import Component, Position
from workers.engine.edit import read
from workers.engine.fit import Fit, Population
from workers.engine.logistic import Labels, Logistic, fit_logistic
from workers.engine.prompts import Prompt, Refused
from workers.engine.reading_by_hand import read_by_hooks
from workers.engine.record import Record
from workers.engine.setting import Setting, index_of

Label = tuple[int, ...]
"""What is told: (0,) clean or (1,) corrupted; else the right tokens of the prompt's first answer."""
Wanted = Literal["labels", "control"]


@dataclass(frozen=True)
class Probe:
    """places: read side by side, each at its position. told_from: a corruption, or None where the answers are told.

    control_at: the position whose token decides the control task's label.
    """

    places: tuple[Component, ...]
    told_from: str | None
    l2: float
    control_at: Position


@dataclass(frozen=True)
class Examples:
    """features (n, d), double, on the CPU; for each its label, its token at control_at, and its half (0 or 1)."""

    features: Tensor
    labels: tuple[Label, ...]
    types: tuple[int, ...]
    halves: tuple[int, ...]

    def and_also(self, later: Examples) -> Examples:
        features = torch.cat([self.features, later.features])
        halves = (*self.halves, *later.halves)
        return Examples(features, (*self.labels, *later.labels), (*self.types, *later.types), halves)


@dataclass(frozen=True)
class Task:
    """labels: the classes' names. probes: that fitted on half 0, and on half 1. of_type: the control's labels."""

    labels: tuple[Label, ...]
    probes: tuple[Logistic, Logistic]
    of_type: dict[int, Label]

    def told(self, examples: Examples) -> list[Label]:
        """Each example by the probe of the other half."""
        found = [probe.classes(examples.features.numpy()) for probe in self.probes]
        return [self.labels[found[1 - half][i]] for i, half in enumerate(examples.halves)]


def accuracy(setting: Setting, probe: Probe, wanted: Wanted) -> Tensor:
    """(batch,): the share of each prompt's examples that are told rightly.

    control: the same features, with one label at random for each token (Hewitt and Liang 2019, arXiv 1909.03368): what
    the probe learns by heart there, the features say nothing about.
    """
    task = cast(Task, setting.fit.once((probe, wanted), lambda: _fitted(setting.fit, probe, wanted)))
    examples = _measured_examples(setting, probe)
    if wanted == "control":
        examples = replace(examples, labels=tuple(_control_label(task, token) for token in examples.types))
    right = [told == label for told, label in zip(task.told(examples), examples.labels, strict=True)]
    return torch.tensor(right, dtype=torch.float64).reshape(-1, len(setting.prompts)).mean(0)


def _fitted(fit: Fit, probe: Probe, wanted: Wanted) -> Task:
    examples = cast(Examples, fit.once(("examples", probe), lambda: _fit_examples(fit, probe)))
    of_type: dict[int, Label] = {}
    if wanted == "control":
        of_type = _control_labels(examples, probe)
        examples = replace(examples, labels=tuple(of_type[token] for token in examples.types))
    labels = tuple(sorted(set(examples.labels)))
    numbers: Labels = np.array([labels.index(label) for label in examples.labels], dtype=np.int64)
    first, second = (_of_half(examples, numbers, half, len(labels), probe.l2) for half in (0, 1))
    return Task(labels, (first, second), of_type)


def _of_half(examples: Examples, numbers: Labels, half: int, classes: int, l2: float) -> Logistic:
    some = np.array(examples.halves) == half
    if len(set(numbers[some].tolist())) < 2:
        raise Refused(
            "a half of the prompts that the probe is fitted on has fewer than two labels: state more prompts, or "
            "others to tell apart"
        )
    return fit_logistic(examples.features.numpy()[some], numbers[some], classes, l2)


def _control_labels(examples: Examples, probe: Probe) -> dict[int, Label]:
    """For each token that occurs a label, at random but in the same shares as the true ones."""
    tokens = sorted(set(examples.types), key=lambda token: _number(str(token)))
    if len(tokens) < 2:
        raise Refused(
            f"all prompts have one token at {probe.control_at}, so that no label can be learnt for each; name another "
            "position in control_at"
        )
    in_order = sorted(examples.labels)
    places = [int((i + 0.5) / len(tokens) * len(in_order)) for i in range(len(tokens))]
    return {token: in_order[place] for token, place in zip(tokens, places, strict=True)}


def _control_label(task: Task, token: int) -> Label:
    """A token that was not among those fitted on has a label too, which nothing could have learnt."""
    return task.of_type.get(token, task.labels[_number(str(token)) % len(task.labels)])


def _number(text: str) -> int:
    """As good as random, and the same wherever it is asked for."""
    return int(sha256(text.encode()).hexdigest(), 16)


def _fit_examples(fit: Fit, probe: Probe) -> Examples:
    found: Examples | None = None
    for kind in _kinds(probe):
        for prompts, run in fit.runs(Population(corruption=kind)):
            features = torch.cat([read(run, place, _indices(prompts, place)) for place in probe.places], dim=-1)
            examples = _examples(probe, prompts, features, kind)
            found = examples if found is None else found.and_also(examples)
    assert found is not None, "there are prompts to fit on"
    return found


def _measured_examples(setting: Setting, probe: Probe) -> Examples:
    """Clean ones first, then corrupted ones; each in the order of the prompts."""
    found: Examples = setting.once(("examples", probe), lambda: _measured(setting, probe))
    return found


def _measured(setting: Setting, probe: Probe) -> Examples:
    clean, *corrupted = (
        _examples(probe, setting.prompts, _features(setting, probe, kind), kind) for kind in _kinds(probe)
    )
    return clean.and_also(corrupted[0]) if corrupted else clean


def _features(setting: Setting, probe: Probe, kind: str | None) -> Tensor:
    """(batch, d)."""
    run = setting.clean if kind is None else setting.corrupted(kind)
    return torch.cat([_read(setting, run, place) for place in probe.places], dim=-1)


def _read(setting: Setting, run: Record, place: Component) -> Tensor:
    at = setting.at(place)
    assert at is not None, f"{place} has no position"
    if setting.how == "oracle":
        return read_by_hooks(setting.loaded, run.tokens, place)[torch.arange(len(at), device=at.device), at]
    return read(run, place, at)


def _examples(probe: Probe, prompts: Sequence[Prompt], features: Tensor, kind: str | None) -> Examples:
    return Examples(
        features.double().cpu(),
        tuple(_label(probe, prompt, kind) for prompt in prompts),
        tuple(_tokens(prompt, kind)[index_of(prompt, probe.control_at)] for prompt in prompts),
        tuple(_half(probe, prompt) for prompt in prompts),
    )


def _label(probe: Probe, prompt: Prompt, kind: str | None) -> Label:
    if probe.told_from is None:
        return prompt.answers[0].right
    return (0,) if kind is None else (1,)


def _half(probe: Probe, prompt: Prompt) -> int:
    """The same for a prompt and for one that is its corruption: their tokens are the same, the other way round."""
    first = min(_tokens(prompt, kind) for kind in _kinds(probe))
    return _number(" ".join(map(str, first))) % 2


def _tokens(prompt: Prompt, kind: str | None) -> tuple[int, ...]:
    if kind is None:
        return prompt.tokens
    if kind not in prompt.corrupted:
        known = ", ".join(prompt.corrupted) or "none"
        raise Refused(f"{prompt.text!r} has no corruption {kind} to be told from; it has {known}")
    return prompt.corrupted[kind]


def _kinds(probe: Probe) -> tuple[str | None, ...]:
    return (None,) if probe.told_from is None else (None, probe.told_from)


def _indices(prompts: Sequence[Prompt], place: Component) -> Tensor:
    assert place.position is not None
    return torch.tensor([index_of(prompt, place.position) for prompt in prompts])
