"""Trials: each measured by the whole engine on draws of its own, controlled, and judged by the judge of claims."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.hand_set import weights
from benchmarks.hand_set.population import BEHAVIOR, bundle_of, truth_of
from benchmarks.hand_set.stakes import Measured, Staked, Which, ablated, measurements
from benchmarks.hand_set.weights import Loudness
from workers.engine.anatomy import Loaded
from workers.engine.control import try_power, try_sets
from workers.engine.documents.bundle import Bundle, control_of, measurement_of
from workers.engine.documents.expect import ExpectField
from workers.engine.documents.finding import Claim
from workers.engine.documents.measurement import Measurement, Power, RandomSets
from workers.engine.fit import Fit
from workers.engine.judge import Gate, Stake, Verdict, judge
from workers.engine.loading import load_folder
from workers.engine.measuring import fit_of, job, measure
from workers.engine.numbers import Control
from workers.engine.seeds import fresh_seed

GATE = Gate(BEHAVIOR.metric, BEHAVIOR.chance, BEHAVIOR.threshold)
MODELS: dict[Which, str] = {"planted": "planted", "without_behavior": "without_behavior", "scrambled": "scrambled"}


@dataclass(frozen=True)
class Task:
    """One measurement, a number of trials from `first` on, and where its model lies."""

    folder: Path
    loudness: Loudness
    measured: Measured
    first: int
    trials: int


@dataclass(frozen=True)
class Outcomes:
    """verdicts: of each stake, in the order of the measurement's, one for each trial."""

    loudness: Loudness
    measured: Measured
    verdicts: tuple[tuple[Verdict, ...], ...]

    def then(self, later: Outcomes) -> Outcomes:
        together = (one + other for one, other in zip(self.verdicts, later.verdicts, strict=True))
        return replace(self, verdicts=tuple(together))


def outcomes(loudness: Sequence[Loudness], trials: int, processes: int, at_once: int = 10) -> Iterator[Outcomes]:
    """Every measurement's verdicts, as they are done. at_once: trials of one task."""
    with TemporaryDirectory() as folder, ProcessPoolExecutor(processes, initializer=_alone) as pool:
        for kind in loudness:
            written = _written(Path(folder) / kind, kind)
            truth = truth_of(load_folder(written["planted"]), ablated())
            for measured in measurements(truth):
                starts = range(0, trials, at_once)
                tasks = [
                    Task(written[measured.model], kind, measured, start, min(at_once, trials - start))
                    for start in starts
                ]
                first, *others = pool.map(run, tasks)
                for other in others:
                    first = first.then(other)
                yield first


def _alone() -> None:
    """The processes share the machine's cores."""
    torch.set_num_threads(1)


def _written(folder: Path, loudness: Loudness) -> Mapping[Which, Path]:
    made = {
        "planted": weights.planted(loudness),
        "without_behavior": weights.without_behavior(loudness),
        "scrambled": weights.scrambled(loudness),
    }
    return {name: weights.write(folder / name, made[name]) for name in MODELS}


@cache
def _loaded(folder: Path) -> Loaded:
    return load_folder(folder)


def run(task: Task) -> Outcomes:
    """The task's trials: two draws and a control each, and every stake judged on them."""
    loaded, staked = _loaded(task.folder), task.measured.stakes
    bundles = [_bundle(loaded, task.measured, one) for one in staked]
    claims = [bundle.finding.claims[0] for bundle in bundles]
    measurement = measurement_of(bundles[0], claims[0])
    stakes = [Stake("ablation", measurement.spec, _expectation(claim), task.measured.kind) for claim in claims]
    fit = fit_of(measurement, loaded)
    # a stake at the boundary takes all looks: then there is no need to ask after each whether all are decided
    at_stake = [] if any(one.where == "boundary" for one in staked) else [(stake, GATE) for stake in stakes]
    trials = []
    for number in range(task.first, task.first + task.trials):
        secret = f"{task.loudness}/{task.measured.about}/{number}".encode()
        draws = [
            measure(
                job(measurement, draw, loaded, fit=fit),
                fresh_seed(secret, measurement.sha256, draw),
                at_stake,
                _silent,
            )
            for draw in (1, 2)
        ]
        control = _controlled(bundles[0], claims[0], fit, secret)
        trials.append([judge(stake, GATE, draws, control) for stake in stakes])
    return Outcomes(task.loudness, task.measured, tuple(zip(*trials, strict=True)))


def _bundle(loaded: Loaded, measured: Measured, staked: Staked) -> Bundle:
    claim = {
        "id": "claim",
        "technique": "ablation",
        "spec": measured.spec,
        "expect": staked.expect,
        "kind": measured.kind,
    }
    return bundle_of(loaded, claim, measured.nodes)


def _expectation(claim: Claim) -> ExpectField:
    assert claim.expect is not None
    return claim.expect


def _controlled(bundle: Bundle, claim: Claim, fit: Fit, secret: bytes) -> Control:
    """On prompts of its own, as every draw of a trial is."""
    measurement: Measurement | None = control_of(bundle, claim)
    assert measurement is not None
    seed = fresh_seed(secret, measurement.sha256, 0)
    made = job(measurement, 1, fit.loaded, fit=fit)
    match measurement.control:
        case RandomSets():
            return try_sets(made, measurement.control, seed, _silent)
        case Power():
            return try_power(made, measurement.control, seed, _silent)
        case None:
            raise AssertionError("ablations are controlled")


def _silent(done: int, total: int, words: str) -> None: ...
