"""Where a claim stands: its verdict, and what else is known of it beside the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from workers.engine.documents.finding import Claim
from workers.engine.verdict import Outcome, Verdict


@dataclass(frozen=True)
class ClaimState:
    """waiting: a run for it is queued or running. held_up: what keeps its runs from being queued, in
    words (no worker can run it, it costs too much, …); empty if nothing does.

    withdrawn_after_failing: how often its expectation was changed after it had failed. stated_after_measuring: None,
    or how many earlier expectations there were on its measurement when this one was saved. reworded: the author's
    words changed since it was measured. contested_by: challengers' claims that hold and exclude this one.
    older_version: its verdict is of an earlier version of the technique. depends_on_ablation: another kind of ablation
    changes the effect's sign. confirmed: e.g. "3 times on 2 machines, last 2026-11-20".
    """

    verdict: Verdict | None = None
    waiting: bool = False
    held_up: str = ""
    withdrawn_after_failing: int = 0
    stated_after_measuring: int | None = None
    reworded: bool = False
    contested_by: tuple[str, ...] = ()
    older_version: bool = False
    depends_on_ablation: bool = False
    confirmed: str = ""


@dataclass(frozen=True)
class Judgement:
    """A claim with where it stands."""

    claim: Claim
    state: ClaimState

    @property
    def verdict(self) -> Verdict | None:
        return self.state.verdict if self.claim.runnable else None

    @property
    def outcome(self) -> Outcome | None:
        return None if self.verdict is None else self.verdict.outcome

    @property
    def members(self) -> Mapping[str, bool]:
        return {} if self.verdict is None else self.verdict.members


@dataclass(frozen=True)
class Counts:
    """holding: without the vacuous ones. not_machine_checkable: claims in words only, counted and never evidence."""

    claims: int
    holding: int
    failing: int
    undecided: int
    errored: int
    not_machine_checkable: int
    nodes: int
    nodes_covered: int
