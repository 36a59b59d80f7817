"""The picture that suits a technique, where a claim measured several components one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from django.utils.safestring import SafeString

from wiki.pictures.arrows import Arrow, arrows
from wiki.pictures.bars import bars
from wiki.pictures.interval import Expected, Row
from wiki.pictures.line import along
from wiki.pictures.map import Measured, effects_map
from workers.engine.documents.components import Component, NotAComponent, component
from workers.engine.documents.spec import Spec
from workers.engine.techniques import Picture

FEWEST_ON_A_MAP = 6
EVERYWHERE = "all"


def picture_of_many(
    kind: Picture, rows: Sequence[Row], spec: Spec, expected: Expected, null: float | None, unit: str
) -> tuple[str, SafeString] | None:
    """Caption and picture; None where intervals, which are always shown, say it best."""
    nothing = 0.0 if null is None else null
    if all(row.claimed for row in rows):  # then none stands out
        rows = [replace(row, claimed=False) for row in rows]
    places = _places(rows)
    match kind:
        case "intervals":
            return None
        case "heads":
            of_heads = bool(places) and all(place.kind == "head" for place in places)
            return _heads(rows, places, nothing, unit) if of_heads else _positions(rows, places, nothing, unit)
        case "layers":
            return _layers(rows, places, expected, null, unit)
        case "positions":
            return _positions(rows, places, nothing, unit)
        case "bars":
            return "In order of size.", bars(rows, nothing, unit)
        case "graph":
            return _arrows(rows, spec, nothing, unit)


def _places(rows: Sequence[Row]) -> list[Component]:
    """Each row's component; empty where a row is none."""
    try:
        return [component(row.label) for row in rows]
    except NotAComponent:
        return []


def _heads(rows: Sequence[Row], places: Sequence[Component], null: float, unit: str) -> tuple[str, SafeString] | None:
    if len(rows) < FEWEST_ON_A_MAP:
        return None
    cells = {
        (f"layer {place.layer}", str(place.head)): Measured(row.label, row.measured, row.claimed)
        for row, place in zip(rows, places, strict=True)
    }
    layers = [f"layer {number}" for number in sorted({place.layer or 0 for place in places})]
    heads = [str(number) for number in sorted({place.head or 0 for place in places})]
    return "Layers by heads; outlined: named by the claim.", effects_map(layers, heads, cells, null, unit)


def _layers(
    rows: Sequence[Row], places: Sequence[Component], expected: Expected, null: float | None, unit: str
) -> tuple[str, SafeString] | None:
    if len(rows) < 2 or not places or len({(place.kind, place.head, place.position) for place in places}) > 1:
        return None
    ordered = [row for _, row in sorted(zip(places, rows, strict=True), key=lambda pair: pair[0].layer or 0)]
    return "Layer by layer, with intervals.", along(ordered, expected, null, unit)


def _positions(
    rows: Sequence[Row], places: Sequence[Component], null: float, unit: str
) -> tuple[str, SafeString] | None:
    if len(rows) < FEWEST_ON_A_MAP or not places or len({place.kind for place in places}) > 1:
        return None
    cells = {
        (f"layer {place.layer}", str(place.position or EVERYWHERE)): Measured(row.label, row.measured, row.claimed)
        for row, place in zip(rows, places, strict=True)
    }
    layers = [f"layer {number}" for number in sorted({place.layer or 0 for place in places})]
    positions = list(dict.fromkeys(str(place.position or EVERYWHERE) for place in places))
    return "Layers by positions; outlined: named by the claim.", effects_map(layers, positions, cells, null, unit)


def _arrows(rows: Sequence[Row], spec: Spec, null: float, unit: str) -> tuple[str, SafeString] | None:
    """Senders are measured one by one; what they reach is the same for all."""
    reached: tuple[str, ...] = getattr(spec, "receivers", ())
    found = [
        Arrow(row.label, ", ".join(reached), row.measured, row.claimed) for row in rows if row.measured is not None
    ]
    if not reached or not found:
        return None
    return "As thick as the effect; solid and dashed tell its sign.", arrows(found, null, unit)
