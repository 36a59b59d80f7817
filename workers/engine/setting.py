"""A Setting: equally long prompts on a model, ready to be measured under any intervention."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, assert_never

import torch
from torch import Tensor

from workers.engine.anatomy import Loaded
from workers.engine.answers import AnswerTable, answer_table
from workers.engine.beside import record_beside
from workers.engine.documents.components import Component, Position
from workers.engine.documents.spec import Spec
from workers.engine.edit import Edit, read
from workers.engine.fit import Fit, Population
from workers.engine.metrics import METRICS
from workers.engine.oracle import oracle
from workers.engine.prompts import Prompt, Refused
from workers.engine.record import Record, record
from workers.engine.replay import Replayed, logits, replay, replay_changes

ROUNDINGS = 64
"""How many rounding errors may add up before two values are said to differ."""

How = Literal["replay", "oracle", "null"]
"""replay: fast. oracle: the slow truth with plain hooks. null: every edit writes the value that is there anyway."""


@dataclass(frozen=True)
class Effect:
    """One intervention's numbers. largest_change: of a written value from the old one; None if nothing was edited."""

    arm: dict[str, Tensor]  # metric -> (batch,), on the CPU
    wrote: bool = True
    largest_change: float | None = None


Effects = tuple[Effect, ...]


@dataclass(frozen=True, eq=False)
class Setting:
    """metrics: what is read off each arm. Runs are made once, when first asked for, and never edited."""

    loaded: Loaded
    prompts: tuple[Prompt, ...]
    fit: Fit
    metrics: tuple[str, ...]
    how: How = "replay"
    _made: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    def once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What `make` gives, made at most once in this setting."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    @property
    def clean(self) -> Record:
        tokens = [prompt.tokens for prompt in self.prompts]
        run: Record = self.once("clean", lambda: record(self.loaded, torch.tensor(tokens)))
        return run

    def corrupted(self, name: str) -> Record:
        return self._recorded(("corrupted", name), [prompt.corrupted[name] for prompt in self.prompts])

    def base(self, spec: Spec) -> Record:
        """The untouched run that a spec's edits are made in."""
        if spec.base == "clean":
            return self.clean
        assert spec.corruption is not None
        return self.corrupted(spec.corruption)

    def source(self, spec: Spec) -> Record:
        """The other one of the clean and the corrupted run, from which values are put into the base."""
        if spec.base == "corrupted":
            return self.clean
        assert spec.corruption is not None
        return self.corrupted(spec.corruption)

    def donors(self, population: Population) -> Record:
        """A run of one other prompt for each of these, of the same template and length."""
        return self._recorded(population, [self.fit.donor(population, prompt) for prompt in self.prompts])

    def pattern(self, layer: int) -> Tensor:
        """(batch, heads, query, key): the attention weights of a layer in the untouched run."""
        return self.pattern_of(self.clean, layer)

    def pattern_of(self, run: Record, layer: int) -> Tensor:
        """The same, of another untouched run."""
        pattern: Tensor = self.once(("pattern", id(run), layer), lambda: self._pattern(run, layer))
        return pattern

    @torch.no_grad()
    def _pattern(self, run: Record, layer: int) -> Tensor:
        if self.how == "oracle":
            seen: Tensor = self.loaded.model(run.tokens, use_cache=False, output_attentions=True).attentions[layer]
            return seen
        return run.pattern(layer)

    def _recorded(self, key: Hashable, tokens: list[tuple[int, ...]]) -> Record:
        run: Record = self.once(key, lambda: record_beside(self.clean, torch.tensor(tokens)))
        return run

    @cached_property
    def answers(self) -> AnswerTable:
        table = answer_table(self.prompts, self.loaded.device)
        if "kl" not in self.metrics:
            return table
        with torch.no_grad():
            return table.with_clean(logits(self.loaded, self._final(self.clean, table.reads)))

    def at(self, component: Component) -> Tensor | None:
        """(batch,): the token index of the component's position in each prompt; None for every position."""
        if component.position is None:
            return None
        return torch.tensor(
            [index_of(prompt, component.position) for prompt in self.prompts], device=self.loaded.device
        )

    def untouched(self, run: Record) -> Effect:
        """The metrics of a run in which nothing is edited."""
        if self.how == "oracle":
            return self.effects(run, [[]])[0]
        return Effect(self._arm(self._final(run, self.answers.reads)))

    def reading(self, resid: Tensor) -> Effect:
        """What would be read if this residual (batch, n_reads, d_model) entered the final norm; nothing is edited."""
        return Effect(self._arm(resid))

    def ending(self, resid: Tensor, largest_change: float, wrote: bool = True) -> Effect:
        """An intervention that leaves resid (batch, n_reads, d_model) before the final norm, where answers are read."""
        return Effect(self._arm(resid), wrote, largest_change)

    def effects(self, base: Record, interventions: Sequence[Sequence[Edit]]) -> Effects:
        """Each intervention's edits made together in `base`, and measured."""
        match self.how:
            case "replay":
                return self._measured(base, interventions, replay_changes(base, interventions, self.answers.reads))
            case "null":
                null = [[_by_itself(base, edit) for edit in edits] for edits in interventions]
                return self._measured(base, null, replay(base, null, self.answers.reads))
            case "oracle":
                truth = oracle(self.loaded, base.tokens, interventions, self.answers.reads)
                return tuple(Effect(self._read_off(found, self.answers)) for found in truth.logits)
            case _:
                assert_never(self.how)

    def _measured(self, base: Record, interventions: Sequence[Sequence[Edit]], done: Replayed) -> Effects:
        return tuple(
            Effect(self._arm(resid), bool(wrote), largest_change(base, edits))
            for resid, wrote, edits in zip(done.resid, done.wrote, interventions, strict=True)
        )

    def _final(self, run: Record, reads: Tensor) -> Tensor:
        """(batch, n_reads, d_model): the run's own residual where answers are read."""
        return run.resid[-1].gather(1, reads[:, :, None].expand(-1, -1, run.resid[-1].shape[-1]))

    @torch.no_grad()
    def _arm(self, resid: Tensor) -> dict[str, Tensor]:
        """(batch, n_reads, d_model) -> metric -> (batch,)."""
        if any(METRICS[name].rows == "all" for name in self.metrics):
            return self._read_off(logits(self.loaded, resid), self.answers)
        return self._read_off(logits(self.loaded, resid, self.answers.rows), self.answers.in_rows())

    def _read_off(self, found: Tensor, answers: AnswerTable) -> dict[str, Tensor]:
        return {name: METRICS[name].value(found, answers).double().cpu() for name in self.metrics}


def averaged(specs: Sequence[Spec], of: Callable[[str, Any], Tensor]) -> Effects:
    """What a technique reads off components one by one: of(component, spec) -> (batch,), the mean over each spec's own.

    It is the spec's metric. The specs are such as name components.
    """
    return tuple(Effect({spec.metric: _mean_over(spec, of)}) for spec in specs)


def _mean_over(spec: Any, of: Callable[[str, Any], Tensor]) -> Tensor:
    return torch.stack([of(text, spec) for text in spec.components]).mean(0).double().cpu()


def index_of(prompt: Prompt, position: Position) -> int:
    """The token index a position means in a prompt; raises Refused, naming the prompt."""
    if position.name not in prompt.positions:
        known = ", ".join(prompt.positions) or "none"
        raise Refused(f"{prompt.text!r} has no position {position.name}; it has {known}")
    index = prompt.positions[position.name] + position.offset
    if not 0 <= index < len(prompt.tokens):
        last = len(prompt.tokens) - 1
        raise Refused(f"{prompt.text!r}: {position} falls outside the prompt (token {index}; it has 0 to {last})")
    return index


def edit(component: Component, at: Tensor | None, values: Tensor) -> Edit:
    """The edit that writes values (batch, pos, d), or of these what stands at token indices `at` (batch,)."""
    if at is None:
        return Edit(component, None, values)
    return Edit(component, at, values[torch.arange(len(at), device=values.device), at])


def largest_change(base: Record, edits: Sequence[Edit]) -> float | None:
    """Over all prompts, positions and entries of the written values; None if there is no edit, 0 within rounding."""
    return max((_change(base, item) for item in edits), default=None)


def _change(base: Record, item: Edit) -> float:
    old = read(base, item.component, item.at)
    return changed_by(item.over(old, item.value.to(old)), old)


def changed_by(new: Tensor, old: Tensor) -> float:
    """The largest change of any entry; 0 within rounding."""
    change = float((new - old).abs().max())
    rounding = ROUNDINGS * torch.finfo(old.dtype).eps * float(old.abs().max())
    return 0.0 if change <= rounding else change


def _by_itself(base: Record, item: Edit) -> Edit:
    """What replaces is replaced by what is there; what is added to, or projected, gets nothing added."""
    if item.keeps != "nothing":
        return replace(item, value=torch.zeros_like(item.value), keeps="all")
    return Edit(item.component, item.at, read(base, item.component, item.at))
