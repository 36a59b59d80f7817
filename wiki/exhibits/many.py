"""The picture that suits a technique, where a claim measured several components one by one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from django.utils.safestring import SafeString

from wiki.pictures.arrows import arrows
from wiki.pictures.bars import bars
from wiki.pictures.interval import Expected, Row
from wiki.pictures.line import Ticks, along
from wiki.pictures.map import Axis, Cells, Measured, effects_map
from workers.engine.documents.components import Component, NotAComponent, component
from workers.engine.documents.spec import Spec
from workers.engine.techniques import Picture

FEWEST_ON_A_MAP = 6
EVERYWHERE = "all"


@dataclass(frozen=True)
class PictureShown:
    """region: what to call the part of the page that it scrolls in; empty where it shrinks to what room there is.

    folded: what to call it where it is shown only when asked for.
    """

    caption: str
    svg: SafeString
    region: str = ""
    folded: str = ""


def picture_of_many(
    kind: Picture, rows: Sequence[Row], spec: Spec, expected: Expected, null: float | None, unit: str
) -> PictureShown | None:
    """None where intervals, which are always shown, say it best."""
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
            return PictureShown(f"In order of size{_named(rows, 'bold')}.", bars(rows, nothing, unit))
        case "graph":
            return _arrows(rows, spec, nothing, unit)


def _places(rows: Sequence[Row]) -> list[Component]:
    """Each row's component; empty where a row is none."""
    try:
        return [component(row.label) for row in rows]
    except NotAComponent:
        return []


def _named(rows: Sequence[Row], how: str) -> str:
    return f"; {how}: named by the claim" if any(row.claimed for row in rows) else ""


def _heads(rows: Sequence[Row], places: Sequence[Component], null: float, unit: str) -> PictureShown | None:
    heads = sorted({place.head or 0 for place in places})
    columns = Axis("head", [str(number) for number in heads])
    return _map(rows, places, [str(place.head) for place in places], columns, null, unit)


def _positions(rows: Sequence[Row], places: Sequence[Component], null: float, unit: str) -> PictureShown | None:
    if len({place.kind for place in places}) > 1:
        return None
    positions = [str(place.position or EVERYWHERE) for place in places]
    return _map(rows, places, positions, Axis("position", sorted(set(positions))), null, unit)


def _map(
    rows: Sequence[Row], places: Sequence[Component], across: Sequence[str], columns: Axis, null: float, unit: str
) -> PictureShown | None:
    """across: each row's column. None where there are few, or where two of them would share a cell."""
    cells: Cells = {
        (str(place.layer), column): Measured(row.label, row.measured, row.claimed)
        for row, place, column in zip(rows, places, across, strict=False)
    }
    if len(rows) < FEWEST_ON_A_MAP or len(cells) < len(rows):
        return None
    layers = Axis("layer", [str(number) for number in _layers_of(places)])
    caption = f"Layers by {columns.title}s{_named(rows, 'outlined')}."
    return PictureShown(caption, effects_map(layers, columns, cells, null, unit), f"Map of layers by {columns.title}s")


def _layers_of(places: Iterable[Component]) -> list[int]:
    return sorted({place.layer or 0 for place in places})


def _layers(
    rows: Sequence[Row], places: Sequence[Component], expected: Expected, null: float | None, unit: str
) -> PictureShown | None:
    if len(rows) < 2 or not places or len({str(replace(place, layer=None)) for place in places}) > 1:
        return None
    ordered = sorted(zip(places, rows, strict=True), key=lambda pair: pair[0].layer or 0)
    ticks = Ticks(f"layer of {replace(places[0], layer=None)}", [str(place.layer) for place, _ in ordered])
    caption = f"Layer by layer, with intervals{_named(rows, 'filled')}."
    return PictureShown(caption, along([row for _, row in ordered], ticks, expected, null, unit))


def _arrows(rows: Sequence[Row], spec: Spec, null: float, unit: str) -> PictureShown | None:
    """Senders are measured one by one; what they reach is the same for all."""
    reached: tuple[str, ...] = getattr(spec, "receivers", ())
    if not reached or all(row.measured is None for row in rows):
        return None
    caption = f"As thick as the effect; dashed: below nothing{_named(rows, 'a bold frame')}."
    return PictureShown(caption, arrows(rows, reached, null, unit))
