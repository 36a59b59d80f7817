"""Of every head of the hand-set model: does the control say that no other head would do as well?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.hand_set import weights
from benchmarks.hand_set.population import bundle_of
from benchmarks.hand_set.weights import ADDERS, WIRED, Loudness, component
from workers.engine.anatomy import Loaded
from workers.engine.control import try_sets
from workers.engine.documents.bundle import control_of
from workers.engine.documents.measurement import RandomSets
from workers.engine.loading import load_folder
from workers.engine.measuring import fit_of, job
from workers.engine.seeds import fresh_seed
from workers.engine.specificity import judge_sets
from workers.engine.verdict import Stake

TRIALS = 20


@dataclass(frozen=True)
class Specificity:
    """specific: the share of trials in which it is. mean_effect: of zero ablation, over the trials' prompts."""

    head: str
    effects: Loudness
    mean_effect: float
    trials: int
    specific: float


def specificity(loudness: Loudness) -> Iterator[Specificity]:
    """Each head is claimed to change the logit difference towards the side on which it does."""
    with TemporaryDirectory() as folder:
        loaded = load_folder(weights.write(Path(folder), weights.planted(loudness)))
        for name in (*WIRED, *ADDERS):
            yield _of_head(loaded, loudness, name)


def _of_head(loaded: Loaded, loudness: Loudness, name: str) -> Specificity:
    spec = {"metric": "logit_diff", "components": [component(name)], "ablation": "zero"}
    expect = {"at_least": 0.01} if name == "negative" else {"at_most": -0.01}
    claim = {"id": "claim", "technique": "ablation", "spec": spec, "expect": expect}
    bundle = bundle_of(loaded, claim, (name,))
    stated = bundle.finding.claims[0]
    measurement = control_of(bundle, stated)
    assert measurement is not None and isinstance(measurement.control, RandomSets) and stated.expect is not None
    stake, fit = Stake("ablation", measurement.spec, stated.expect, "effect"), fit_of(measurement, loaded)
    own, said = [], []
    for number in range(TRIALS):
        seed = fresh_seed(f"{loudness}/{name}".encode(), measurement.sha256, number)
        tried = try_sets(job(measurement, 1, loaded, fit=fit), measurement.control, seed, lambda *_: None)
        said.append(judge_sets(stake, tried, 0.0)[0])
        own.append(tried.own)
    shown = f"{component(name)} {name}"
    return Specificity(shown, loudness, sum(own) / TRIALS, TRIALS, said.count("yes") / TRIALS)
