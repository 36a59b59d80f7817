"""How often the rules of judgement are wrong, on effects whose truth is known (EVIDENCE 7).

    python -m benchmarks.calibration [--json] [--quick] [--trials N] [--hand-set-trials N] [--only WORD]
    python -m benchmarks.calibration --kept ROWS
    python -m benchmarks.calibration --specificity [--json]

Simulated effects per prompt are judged by the very code that judges claims, as two draws with looks at 64, 256, 1024
and 4096 units (or one draw, for stated prompts). A transformer whose weights are set by hand is measured by the whole
engine, each trial on two draws and a control of its own. Truth lies at the boundary of the expectation, or one
tolerance inside or outside.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from benchmarks.hand_set.specificity import Specificity, specificity
from benchmarks.hand_set.trials import outcomes
from benchmarks.hand_set.weights import LOUDNESS
from benchmarks.rates import Row, hand_set_rows, row, worst
from benchmarks.simulated import Scenario, Truth, scenarios
from workers.engine.draws import MISS, MISS_OF_ONE_DRAW
from workers.engine.reading import Level, read_sample
from workers.engine.statistics import Sample
from workers.engine.verdict import Outcome

HEADING = "| expect | effects | model | truth | trials | false accept | false reject | undecided |\n|-|-|-|-|-|-|-|-|"
OFFSET: dict[Truth, int] = {"boundary": 0, "inside": 1, "outside": -1}
"""In tolerances, towards the inside of the expectation."""


def calibrate(scenario: Scenario, truth: Truth, trials: int) -> Row:
    """The seed is the scenario's own, so that a row can be repeated by itself."""
    rng = np.random.default_rng(zlib.crc32(f"{scenario.expect}/{scenario.effects}/{truth}".encode()))
    said = [judged(scenario, rng, OFFSET[truth]) for _ in range(trials)]
    return row(scenario.expect, scenario.effects, "simulated", truth, said)


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


def rows(only: str, trials: int, hand_set_trials: int, processes: int) -> Iterator[Row]:
    """only: of the simulated effects, those whose `expectation/effects` contains this; of the others, all or none."""
    for scenario in scenarios():
        if only in f"{scenario.expect}/{scenario.effects}":
            yield from (calibrate(scenario, truth, trials) for truth in scenario.truths)
    if only in "hand-set" and hand_set_trials:
        for found in outcomes(LOUDNESS, hand_set_trials, processes):
            yield from hand_set_rows(found)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="How often the rules of judgement are wrong.")
    parser.add_argument("--json", action="store_true", help="one JSON object per row")
    parser.add_argument("--quick", action="store_true", help="50 trials of simulated effects, 5 of the hand-set model")
    parser.add_argument("--trials", type=int, help="of simulated effects (1000)")
    parser.add_argument("--hand-set-trials", type=int, help="of the hand-set model (200)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", default="", help="only rows whose `expectation/effects` contains this; or hand-set")
    parser.add_argument("--kept", type=Path, help="no trials: the tables of rows that --json printed into this file")
    parser.add_argument("--specificity", action="store_true", help="the other table: of each head, is it specific?")
    options = parser.parse_args(arguments)
    if options.specificity:
        return _print_specificity(options.json)
    if options.kept:
        return _print_kept([Row(**json.loads(line)) for line in options.kept.read_text().splitlines()])
    trials = options.trials or (50 if options.quick else 1000)
    hand_set = options.hand_set_trials if options.hand_set_trials is not None else 5 if options.quick else 200
    if not options.json:
        print(HEADING)
    for found in rows(options.only, trials, hand_set, options.processes):
        print(json.dumps(asdict(found)) if options.json else _as_markdown(found), flush=True)
    return 0


def _print_kept(found: Sequence[Row]) -> int:
    print("| | asked for | worst simulated | worst hand-set |\n|-|-|-|-|")
    for what, most, shares in worst(found):
        print(f"| {what} | at most {most} | {' | '.join(map(_percent, shares))} |")
    print(f"\n{HEADING}")
    for one in found:
        print(_as_markdown(one))
    return 0


def _print_specificity(as_json: bool) -> int:
    if not as_json:
        print("| head | effects | mean effect | trials | specific |\n|-|-|-|-|-|")
    for loudness in LOUDNESS:
        for found in specificity(loudness):
            print(json.dumps(asdict(found)) if as_json else _specific_as_markdown(found), flush=True)
    return 0


def _specific_as_markdown(found: Specificity) -> str:
    share = f"{100 * found.specific:.0f} %"
    return f"| {found.head} | {found.effects} | {found.mean_effect:.3f} | {found.trials} | {share} |"


def _as_markdown(row: Row) -> str:
    shares = (row.false_accept, row.false_reject, row.undecided)
    cells = " | ".join(map(_percent, shares))
    return f"| {row.expect} | {row.effects} | {row.model} | {row.truth} | {row.trials} | {cells} |"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
