"""Runs whose embeddings are noised at some positions: Gaussian noise that depends on prompt and draw alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import torch
from torch import Tensor, nn

from workers.engine.ablating import given_edits
from workers.engine.documents.components import Component
from workers.engine.documents.spec import Given
from workers.engine.edit import Edit
from workers.engine.prompts import Prompt
from workers.engine.record import Record, attached, record
from workers.engine.setting import Effect, Effects, Setting


@dataclass(frozen=True)
class Noise:
    """places: embed at the noised positions. sigmas: in standard deviations of all entries of W_E."""

    places: tuple[Component, ...]
    sigmas: float
    draws: int


def restored(
    setting: Setting, noise: Noise, interventions: Sequence[Sequence[Edit]], given: Sequence[Given]
) -> Effects:
    """Each intervention's edits made in the noised run, its metrics averaged over the draws of noise."""
    standing = given_edits(setting, given)
    whole = [[*standing, *edits] for edits in interventions]
    return _averaged([_with_noise(setting, noise, draw, whole) for draw in range(noise.draws)])


def noised(setting: Setting, noise: Noise, given: Sequence[Given]) -> Effect:
    """The noised run in which nothing is restored."""
    return restored(setting, noise, [[]], given)[0]


def _with_noise(setting: Setting, noise: Noise, draw: int, interventions: Sequence[Sequence[Edit]]) -> Effects:
    edits = [_as_edit(setting, noise, place, draw) for place in noise.places]
    if setting.how == "oracle":
        return setting.effects(setting.clean, [[*edits, *own] for own in interventions])
    return setting.effects(_recorded(setting, edits), interventions)


def _as_edit(setting: Setting, noise: Noise, place: Component, draw: int) -> Edit:
    """Noise added to what enters layer 0 at one position."""
    W_E = setting.loaded.architecture.embedding(setting.loaded.model)
    sigma = noise.sigmas * float(W_E.float().std(correction=0))
    drawn = torch.stack([_normal(prompt, place, draw, setting.loaded.d_model) for prompt in setting.prompts])
    return Edit(place, setting.at(place), (sigma * drawn).to(W_E), "all")


def _normal(prompt: Prompt, place: Component, draw: int, width: int) -> Tensor:
    """(width,), standard normal: the same wherever and whenever it is drawn."""
    seed = sha256(f"{prompt.hash}\n{place.position}\n{draw}".encode()).hexdigest()
    return torch.randn(width, generator=torch.Generator().manual_seed(int(seed[:15], 16)))


def _recorded(setting: Setting, edits: Sequence[Edit]) -> Record:
    """A run of the prompts with the noise in what enters layer 0."""
    tokens = setting.clean.tokens
    added = torch.zeros_like(setting.clean.resid[0])
    for edit in edits:
        assert edit.at is not None, "noise has a position"
        added[torch.arange(len(tokens), device=tokens.device), edit.at] += edit.value

    def hook(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (inputs[0] + added, *inputs[1:])

    # attached before the record's own hooks, which then see what this one gives
    with attached(setting.loaded.layer(0).register_forward_pre_hook(hook)):
        return record(setting.loaded, tokens)


def _averaged(draws: Sequence[Effects]) -> Effects:
    return tuple(map(_mean, zip(*draws, strict=True)))


def _mean(effects: tuple[Effect, ...]) -> Effect:
    """largest_change: of the draw that was changed least, since every one of them is claimed to be an edit."""
    names = effects[0].arm
    arm = {name: torch.stack([effect.arm[name] for effect in effects]).mean(0) for name in names}
    changes = [effect.largest_change for effect in effects if effect.largest_change is not None]
    return Effect(arm, all(effect.wrote for effect in effects), min(changes, default=None))
