"""How often the rules of judgement are wrong, on simulated effects per prompt whose truth is known (EVIDENCE 7).

    python -m benchmarks.calibration [--json] [--trials N] [--only WORD]

Each trial is judged as two draws with looks at 64, 256, 1024 and 4096 units (or one draw, for stated prompts) by the
very code that judges claims. Truth lies at the boundary of the expectation, or one tolerance inside or outside.
"""

from __future__ import annotations

import argparse
import json
import sys
import zlib
from dataclasses import asdict, dataclass, replace

import numpy as np

from benchmarks.simulated import Scenario, Truth, scenarios
from workers.engine.draws import MISS, MISS_OF_ONE_DRAW
from workers.engine.reading import Level, read_sample
from workers.engine.statistics import Sample
from workers.engine.verdict import Outcome

OFFSET: dict[Truth, int] = {"boundary": 0, "inside": 1, "outside": -1}
"""In tolerances, towards the inside of the expectation."""


@dataclass(frozen=True)
class Row:
    """Shares of the trials. A share that means nothing at that truth is null."""

    expect: str
    effects: str
    truth: Truth
    trials: int
    false_accept: float | None
    false_reject: float | None
    undecided: float


def calibrate(scenario: Scenario, truth: Truth, trials: int) -> Row:
    """The seed is the scenario's own, so that a row can be repeated by itself."""
    rng = np.random.default_rng(zlib.crc32(f"{scenario.expect}/{scenario.effects}/{truth}".encode()))
    outcomes = [judged(scenario, rng, OFFSET[truth]) for _ in range(trials)]
    share = {outcome: outcomes.count(outcome) / trials for outcome in ("holds", "fails", "undecided")}
    inside = truth == "inside"
    return Row(
        expect=scenario.expect,
        effects=scenario.effects,
        truth=truth,
        trials=trials,
        false_accept=None if inside else share["holds"],
        false_reject=share["fails"] if inside else None,
        undecided=share["undecided"],
    )


def judged(scenario: Scenario, rng: np.random.Generator, inside: float) -> Outcome:
    """Of all draws together: what each of them says, if they agree. A draw after an undecided one changes nothing."""
    first = _one_draw(scenario, scenario.draw(rng, inside))
    for _ in range(scenario.draws - 1):
        if first == "undecided" or _one_draw(scenario, scenario.draw(rng, inside)) != first:
            return "undecided"
    return first


def _one_draw(scenario: Scenario, sample: Sample) -> Outcome:
    miss = MISS if scenario.draws > 1 else MISS_OF_ONE_DRAW
    level = Level(miss / len(scenario.looks), noise=0.0)
    names = getattr(scenario.stake.spec, "components", ())
    for count in scenario.looks:
        reading = read_sample(scenario.stake, _first(sample, count), names, level)
        if reading.holds or reading.fails:
            return "holds" if reading.holds else "fails"
    return "undecided"


def _first(sample: Sample, count: int) -> Sample:
    denominator = None if sample.denominator is None else sample.denominator[..., :count]
    numerator = sample.numerator[..., :count]
    return replace(sample, numerator=numerator, denominator=denominator, template=sample.template[:count])


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="How often the rules of judgement are wrong.")
    parser.add_argument("--json", action="store_true", help="one JSON object per row")
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--only", default="", help="only scenarios whose `expectation/effects` contains this")
    options = parser.parse_args(arguments)
    if not options.json:
        print("| expect | effects | truth | trials | false accept | false reject | undecided |\n|-|-|-|-|-|-|-|")
    for scenario in scenarios():
        if options.only in f"{scenario.expect}/{scenario.effects}":
            for truth in scenario.truths:
                row = calibrate(scenario, truth, options.trials)
                print(json.dumps(asdict(row)) if options.json else _as_markdown(row), flush=True)
    return 0


def _as_markdown(row: Row) -> str:
    shares = (row.false_accept, row.false_reject, row.undecided)
    cells = ["" if share is None else f"{100 * share:.2f} %" for share in shares]
    return f"| {row.expect} | {row.effects} | {row.truth} | {row.trials} | {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
