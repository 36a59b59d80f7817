"""A claim as its page shows it: what was expected beside what was measured, with everything that led to the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from wiki.acceptance import Acceptance, asker_of
from wiki.evidence import expect_of, gate_of, held_up
from wiki.exhibits.control import ControlShown, control_shown
from wiki.exhibits.many import PictureShown, picture_of_many
from wiki.exhibits.words import Note, expected, measured_label, notes, unit
from wiki.models import Claim, Run, RunState
from wiki.pictures.interval import MOST_ROWS, Expected, Row, interval_bar
from wiki.pictures.svg import figure
from workers.engine.documents import finding as documents
from workers.engine.documents.expect import Expect, named_by
from workers.engine.documents.reference import Origin, Reference
from workers.engine.documents.spec import Spec
from workers.engine.metrics import METRICS
from workers.engine.null import null_value
from workers.engine.sentence import number
from workers.engine.techniques import TECHNIQUES
from workers.engine.verdict import DrawJudged, Verdict

OUTCOMES = {"holds": "Holds", "fails": "Fails", "undecided": "Undecided", "errored": "Errored"}
UNJUDGED = {"waiting": "Waits for its first verdict", "proposed": "Not run yet"}
Runs = Mapping[tuple[str, int], Run]
"""The newest run of each measurement and draw."""


@dataclass(frozen=True)
class DrawShown:
    label: str
    measured: str
    prompts: int
    outcome: str
    run: Run | None


@dataclass(frozen=True)
class ClaimShown:
    """state: an outcome; "waiting" or "proposed" before the first one; "words" for what no machine can check."""

    row: Claim
    state: str
    label: str
    verdict: Verdict | None = None
    expected: Expected | None = None
    measured_label: str = "Measured"
    pictures: tuple[PictureShown, ...] = ()
    draws: tuple[DrawShown, ...] = ()
    gate: str = ""
    control: ControlShown | None = None
    members: str = ""
    notes: tuple[Note, ...] = ()
    waiting: str = ""
    origin: Origin | None = None
    reference: Reference | None = None


def claim_shown(row: Claim, stated: documents.Claim, references: Mapping[str, Reference], runs: Runs) -> ClaimShown:
    """stated: the claim in the finding's document. references: by key."""
    reference = references.get(stated.origin.reference) if stated.origin else None
    if stated.spec is None or stated.expect is None:
        return ClaimShown(row, "words", "In words only", origin=stated.origin, reference=reference)
    verdict = Verdict.read(row.verdict) if row.verdict else None
    unjudged = "waiting" if any(run.is_open for run in _runs_of(row, runs)) else "proposed"
    return ClaimShown(
        row=row,
        state=row.outcome or unjudged,
        label=OUTCOMES.get(row.outcome) or UNJUDGED[unjudged],
        verdict=verdict,
        expected=expected(stated.expect),
        measured_label=measured_label(stated.expect, stated.spec),
        pictures=_pictures(row, stated.spec, verdict) if verdict else (),
        draws=tuple(_draw(row, draw, runs) for draw in verdict.draws) if verdict else (),
        gate=_gate(verdict.gate) if verdict and verdict.gate else "",
        control=control_shown(row, verdict, runs),
        members=_members(verdict) if verdict else "",
        notes=tuple(notes(row, verdict)),
        waiting="" if verdict else _waiting(row, runs),
        origin=stated.origin,
        reference=reference,
    )


def _pictures(row: Claim, spec: Spec, verdict: Verdict) -> tuple[PictureShown, ...]:
    expect = expect_of(row)
    null = _null(row, spec)
    if any(draw.components for draw in verdict.draws):
        return tuple(
            _of_draw(one, row, draw)
            for draw in verdict.draws
            if draw.components
            for one in _components(row, draw, expect, null, spec)
        )
    rows = [Row(_label(row, draw), draw.measured, draw.interval, draw.outcome) for draw in verdict.draws]
    if not any(one.measured is not None for one in rows):
        return ()
    dashed = "" if null is None else f" The dotted line is {number(null)}: nothing happened."
    caption = f"Shaded: what was expected. Dots: what was measured, with intervals.{dashed}"
    return (PictureShown(caption, interval_bar(rows, expected(expect), null, unit(spec))),)


def _of_draw(one: PictureShown, row: Claim, draw: DrawJudged) -> PictureShown:
    """Told apart from the other draws' and the other claims' pictures."""
    told = _label(row, draw)
    region = f"{one.region}, claim {row.slug}, {told}" if one.region else ""
    return replace(one, caption=f"{told.capitalize()}, {draw.prompts} prompts. {one.caption}".strip(), region=region)


def _components(row: Claim, draw: DrawJudged, expect: Expect, null: float | None, spec: Spec) -> Iterator[PictureShown]:
    """The technique's own picture of them, where it has one, then an interval for each: first those that lead, last
    those not measured; filled: named by the expectation.
    """
    meant = named_by(expect)
    sign = 1.0 if getattr(expect, "order", "largest") == "smallest" else -1.0
    ordered = sorted(draw.components, key=lambda one: (one.measured is None, sign * (one.measured or 0.0)))
    rows = [
        Row(one.component, one.measured, one.interval, draw.outcome, not meant or one.component in meant)
        for one in ordered
    ]
    assert row.technique
    whole = picture_of_many(TECHNIQUES[row.technique].picture, rows, spec, expected(expect), null, unit(spec))
    folded = ""
    if whole is not None:
        yield whole
        folded = f"The interval of each ({_label(row, draw)})"
    left_out = len(rows) - MOST_ROWS
    caption = f"The other {left_out} are left out here." if left_out > 0 else ""
    yield PictureShown(caption, interval_bar(rows, expected(expect), null, unit(spec)), folded=folded)


def _null(row: Claim, spec: Spec) -> float | None:
    """Unknown where only the behavior's level of chance says it and the claim has no gate."""
    gate = gate_of(row)
    if gate is None and spec.report == "raw" and METRICS[spec.metric].null is None:
        return None
    return null_value(spec, gate.chance if gate else 0.0)


def _draw(row: Claim, draw: DrawJudged, runs: Runs) -> DrawShown:
    measured = "not measured" if draw.measured is None else figure(draw.measured)
    run = runs.get((row.measurement_id or "", draw.draw))
    return DrawShown(_label(row, draw).capitalize(), measured, draw.prompts, OUTCOMES[draw.outcome].lower(), run)


def _label(row: Claim, draw: DrawJudged) -> str:
    assert row.measurement is not None
    match row.measurement.population:
        case "seeded":
            return "public draw" if draw.draw == 0 else f"fresh draw {draw.draw}"
        case "enumerated":
            return "every prompt"
        case _:
            return "stated prompts"


def _gate(gate: DrawJudged) -> str:
    measured = "not measured" if gate.measured is None else figure(gate.measured)
    return f"{'yes' if gate.outcome == 'holds' else gate.outcome}, {measured} on {gate.prompts} prompts"


def _members(verdict: Verdict) -> str:
    shown = [name for name, own in verdict.members.items() if own]
    hidden = [name for name, own in verdict.members.items() if not own]
    told = [f"{', '.join(shown)} shown to matter"] if shown else []
    return "; ".join([*told, *([f"{', '.join(hidden)} in the group, not shown"] if hidden else [])])


def _waiting(row: Claim, runs: Runs) -> str:
    """Where the runs stand that the first verdict needs."""
    needed = [run for run in _runs_of(row, runs) if run.is_open]
    running = [run for run in needed if run.state == RunState.RUNNING]
    if not needed:
        assert row.finding.entry.current is not None
        why = held_up(row, False, Acceptance(asker_of(row.finding.entry.current)))
        return f"No run of it is queued: {why}." if why else "No run of it is queued."
    if not running:
        return f"{len(needed)} run{'s' if len(needed) > 1 else ''} queued."
    run = running[0]
    progress = f", {run.progress_done} of {run.progress_total} prompts" if run.progress_total else ""
    return (
        f"Being measured{progress}; {len(needed) - 1} more to do." if len(needed) > 1 else f"Being measured{progress}."
    )


def _runs_of(row: Claim, runs: Runs) -> Sequence[Run]:
    wanted = {row.measurement_id, row.control_id} - {None}
    return [run for (measurement, _), run in runs.items() if measurement in wanted]
