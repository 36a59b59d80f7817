"""Pictures are well-formed, described, without styles or scripts, and say by shape what they say by color."""

import math
from xml.etree import ElementTree

import pytest

from wiki.models.finding import BadgeState
from wiki.pictures import (
    arrows,
    badge,
    bars,
    circuit,
    control,
    heads,
    histogram,
    interval,
    line,
    mark,
    roles,
    spread,
    svg,
)
from wiki.pictures import map as effects_map
from wiki.pictures.circuit import EdgeDrawn, NodeDrawn
from wiki.pictures.heads import Cell
from wiki.pictures.interval import Expected, Row
from wiki.pictures.line import Ticks
from wiki.pictures.map import Axis, Measured
from wiki.pictures.spread import Strip

SVG = "{http://www.w3.org/2000/svg}"
NASTY = "<script>\"&'"

AT_MOST = Expected("at most −0.5", high=-0.5)
ROWS = (Row("public draw", -0.8, (-0.9, -0.7), "holds"), Row("fresh draw 1", -0.2, (-0.3, -0.1), "fails"))
NODES = (
    NodeDrawn("0.3", 0, "layer 0", "previous-token", "covered", f"0.3 {NASTY}", "/heads/0.3/"),
    NodeDrawn("1.5@END", 1, "layer 1", "induction", "in_covered_group_not_shown", "1.5", "/heads/1.5/"),
    NodeDrawn("mlp.1", 1.5, "layer 1, MLP", "", "not_covered", "mlp.1"),
)
CELLS = {
    ("0", "0"): Measured(NASTY, 0.5, True),
    ("0", "1"): Measured("0.1", None),
}
LAYERS = (
    Row("resid.0", 0.1, (0.0, 0.2), "holds", False),
    Row(NASTY, None, None, "holds"),
    Row("resid.2", -0.9, None, "holds"),
)
SENDERS = (Row(NASTY, 0.4, None, "holds"), Row("0.2", -0.1, None, "holds", False), Row("0.3", None, None, "holds"))
PICTURES = {
    "interval": lambda: interval.interval_bar(ROWS, AT_MOST, 0.0, NASTY),
    "control": lambda: control.control_histogram([0.0, 0.1, -0.9], -0.8, 1, "below", NASTY),
    "spread": lambda: spread.spread([Strip(NASTY, "clean", (1.0, 2.0, 2.5))], NASTY),
    "circuit": lambda: circuit.circuit_diagram(NODES, [EdgeDrawn("0.3", "1.5@END", False)]),
    "heads": lambda: heads.heads_map(2, 8, {(0, 3): Cell((NASTY, "induction"), True, 2, "/x/?a=1&b=2")}),
    "map": lambda: effects_map.effects_map(Axis("layer", ("0",)), Axis(NASTY, ("0", "1")), CELLS, 0.0, NASTY),
    "line": lambda: line.along(LAYERS, Ticks(NASTY, ("0", "1", "2")), AT_MOST, 0.0, NASTY),
    "bars": lambda: bars.bars(LAYERS, 0.0, NASTY),
    "arrows": lambda: arrows.arrows(SENDERS, ("1.5.k", NASTY), 0.0, NASTY),
    "badge": lambda: badge.badge("verified", "Verified", NASTY, NASTY),
}


def parsed(drawn):
    return ElementTree.fromstring(drawn)


def classes(drawn):
    return [element.get("class", "") for element in parsed(drawn).iter()]


def texts(drawn):
    return ["".join(element.itertext()) for element in parsed(drawn).iter(f"{SVG}text")]


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_well_formed_and_described_and_holds_no_style_or_script(name):
    drawn = parsed(PICTURES[name]())
    assert drawn[0].tag == f"{SVG}title" and drawn[0].text
    assert drawn[1].tag == f"{SVG}desc" and drawn[1].text
    assert drawn.get("aria-label") == drawn[0].text
    for element in drawn.iter():
        assert element.tag not in (f"{SVG}script", f"{SVG}style", f"{SVG}foreignObject")
        assert not any(key == "style" or key.startswith("on") for key in element.attrib)


def test_a_picture_with_links_is_a_group_and_one_without_is_an_image():
    assert parsed(PICTURES["circuit"]()).get("role") == parsed(PICTURES["heads"]()).get("role") == "group"
    assert parsed(PICTURES["interval"]()).get("role") == "img"


def test_holding_failing_and_undecided_points_have_different_shapes():
    rows = [Row("a", 1.0, (0.5, 1.5), outcome) for outcome in ("holds", "fails", "undecided")]
    drawn = parsed(interval.interval_bar(rows, AT_MOST, None, ""))
    points = [element for element in drawn.iter() if element.get("class", "").startswith("point")]
    assert [point.tag.removeprefix(SVG) for point in points] == ["circle", "rect", "path"]


def test_an_open_expectation_reaches_to_the_end_of_the_axis():
    drawn = parsed(interval.interval_bar(ROWS, AT_MOST, 0.0, ""))
    band = next(element for element in drawn.iter() if element.get("class") == "band")
    edges = [element for element in drawn.iter() if element.get("class") == "band-edge"]
    assert float(band.get("x")) == interval.LABEL and len(edges) == 1


def test_what_was_not_measured_has_no_point():
    drawn = interval.interval_bar([Row("draw", None, None, "errored")], AT_MOST, None, "")
    assert "not measured" in texts(drawn)
    assert not any("point" in one for one in classes(drawn))


def test_components_the_claim_does_not_name_are_hollow():
    drawn = interval.interval_bar([Row("0.1", 0.1, None, "holds", claimed=False)], Expected("x"), None, "")
    assert "point other" in classes(drawn)


def test_sets_at_least_as_extreme_are_marked():
    drawn = control.control_histogram([0.0, 0.1, -0.9], -0.8, 1, "below", "")
    assert classes(drawn).count("bar extreme") == 1
    assert "1 of 3 random sets were at least as extreme" in drawn


def test_coverage_is_told_by_the_outline():
    drawn = PICTURES["circuit"]()
    assert {"node role-1 covered", "node role-2 in-covered-group-not-shown", "node role-none not-covered"} <= set(
        classes(drawn)
    )
    assert classes(drawn).count("inner") == 1


def test_layers_stand_from_left_to_right():
    boxes = [float(one.get("x")) for one in parsed(PICTURES["circuit"]()).iter() if one.get("class") == "box"]
    assert boxes == sorted(boxes) and len(set(boxes)) == 3


def test_an_edge_that_was_not_checked_is_marked():
    assert "edge unchecked" in classes(PICTURES["circuit"]())
    covered = circuit.circuit_diagram(NODES, [EdgeDrawn("0.3", "1.5@END", True)])
    assert "edge covered" in classes(covered)


def test_a_component_with_two_roles_is_drawn_once():
    twice = (*NODES, NodeDrawn("0.3", 0, "layer 0", "induction", "covered", "0.3", "/heads/0.3/"))
    assert classes(circuit.circuit_diagram(twice, [])).count("box") == len(NODES)


def test_every_head_has_a_cell_and_known_ones_a_link():
    drawn = parsed(PICTURES["heads"]())
    links = list(drawn.iter(f"{SVG}a"))
    empty = [element for element in drawn.iter() if element.get("class") == "cell none"]
    assert (len(links), len(empty)) == (1, 15)
    assert links[0].get("href") == "/x/?a=1&b=2"


def test_every_state_has_a_mark_of_its_own_shape():
    shapes = {state: mark.SHAPES[state] for state in BadgeState.values}
    assert len(set(shapes.values())) == len(BadgeState.values)
    for state in mark.SHAPES:
        assert parsed(mark.mark(state)).get("aria-hidden") == "true"


@pytest.mark.parametrize("state", BadgeState.values)
def test_every_state_has_a_badge_with_its_word_and_a_glyph(state):
    drawn = badge.badge(state, BadgeState(state).label, "because", "A finding")
    assert texts(drawn) == ["Interpedia", f"{badge.GLYPHS[state]} {BadgeState(state).label}"]
    assert len(set(badge.GLYPHS.values())) == len(BadgeState.values)


def test_roles_get_hues_in_order_and_initials():
    assert roles.hues(["a", "b", "a", ""]) == {"a": "role-1", "b": "role-2"}
    assert roles.hues(str(number) for number in range(9))["8"] == "role-1"
    assert (roles.spoken("s-inhibition"), roles.spoken("name-mover")) == ("S-inhibition", "name mover")
    assert (roles.initials("s-inhibition"), roles.initials("induction")) == ("SI", "In")


@pytest.mark.parametrize(
    ("value", "shown"), [(0.0, "0"), (3.5612, "3.56"), (-0.74, "−0.740"), (1234.5, "1234"), (0.00000123, "1.2e−06")]
)
def test_a_measured_value_has_three_digits_and_a_true_minus(value, shown):
    assert svg.figure(value) == shown


def test_a_scale_has_round_ticks_and_room():
    ticks, step = svg.Scale(-0.85, 0.07, 0, 100).ticks()
    assert step == 0.2 and [round(tick, 6) for tick in ticks] == [-0.8, -0.6, -0.4, -0.2, 0.0]
    scale = svg.scale_over([2.0, math.inf, 2.0], 0, 10)
    assert scale.low < 2.0 < scale.high and round(scale(2.0), 6) == 5.0


def test_values_beyond_the_scale_count_at_its_ends():
    assert histogram.counts([-5, 0.1, 0.9, 5], svg.Scale(0, 1, 0, 10), 2) == [2, 2]


def test_a_map_says_a_number_by_ink_and_digits_and_leaves_open_what_was_not_measured():
    drawn = PICTURES["map"]()
    assert [kind for kind in classes(drawn) if kind.startswith("heat")].count("heat none") == 1
    assert ".50" in texts(drawn) and "heat claimed" in classes(drawn)
    assert [effects_map._short(value) for value in (0.123, -1.23, 12.3, -0.001)] == [".12", "−1.2", "12", ".00"]


def test_a_line_breaks_where_nothing_was_measured():
    (path,) = [element.get("d") for element in parsed(PICTURES["line"]()).iter() if element.get("class") == "line-path"]
    assert path.count("M") == 2 and "L" not in path


def test_a_line_names_what_its_ticks_tell_apart_and_draws_as_many_as_there_is_room_for():
    rows = [Row(f"resid.{layer}@END", float(layer), None, "holds") for layer in range(48)]
    ticks = Ticks("layer of resid.*@END", [str(layer) for layer in range(48)])
    shown = texts(line.along(rows, ticks, AT_MOST, None, "logits"))
    assert "layer of resid.*@END" in shown and "44" in shown and "45" not in shown


def test_bars_stand_in_order_of_size_and_say_what_they_leave_out():
    drawn = PICTURES["bars"]()
    assert [text for text in texts(drawn) if text.startswith("resid")] == ["resid.2", "resid.0"]
    assert "1 not measured" in texts(drawn)
    many = [Row(f"0.{head}", head + 1.0, None, "holds") for head in range(bars.MOST + 2)]
    assert "2 smaller ones left out" in texts(bars.bars(many, 0.0, ""))


def test_a_column_of_a_map_is_as_wide_as_its_name():
    names = ("S1", "the-subject's-last")
    cells = {("0", name): Measured(name, 1.0) for name in names}
    drawn = parsed(effects_map.effects_map(Axis("layer", ("0",)), Axis("position", names), cells, 0.0, ""))
    ground = [element for element in drawn.iter() if element.get("class") == "heat ground"][:2]
    widths = [float(element.get("width")) for element in ground]
    assert widths[0] == effects_map.CELL - 2 and widths[1] >= len(names[1]) * 6


def test_a_map_is_wide_enough_for_its_legend():
    cells = {("0", "END"): Measured("resid.0@END", 1.0)}
    unit = "share of the clean–corrupted gap"
    drawn = parsed(effects_map.effects_map(Axis("layer", ("0",)), Axis("position", ("END",)), cells, 0.0, unit))
    assert float(drawn.get("width")) >= effects_map.LEFT + len(unit) * 6


@pytest.mark.parametrize("name", ["interval", "bars", "arrows"])
def test_numbers_end_within_the_picture(name):
    drawn = parsed(PICTURES[name]())
    values = [element for element in drawn.iter() if element.get("class") == "row-value"]
    assert values and all(one.get("text-anchor") == "end" for one in values)
    assert all(float(one.get("x")) < float(drawn.get("width")) for one in values)


def test_arrows_are_as_thick_as_the_effect_and_dashed_below_nothing():
    drawn = PICTURES["arrows"]()
    flows = [element for element in parsed(drawn).iter() if element.get("class", "").startswith("flow")]
    assert "2 paths to 1.5.k" in drawn and "node role-none claimed" in classes(drawn)
    assert [(flow.get("class"), flow.get("stroke-width")) for flow in flows] == [
        ("flow up", "9"),
        ("flow down", "2.25"),
    ]


def test_what_many_receivers_are_is_written_in_lines_that_fit():
    receivers = tuple(f"1.{head}.q" for head in (1, 2, 4, 5, 6, 7))
    shown = texts(arrows.arrows(SENDERS, receivers, 0.0, ""))
    assert [text for text in shown if text.startswith("1.")] == ["1.1.q, 1.2.q", "1.4.q, 1.5.q", "1.6.q, 1.7.q"]
    assert arrows._lines([f"10.{head}.pattern" for head in range(12)])[-2:] == ["10.6.pattern", "and others"]


def test_a_head_in_a_map_tells_whether_its_roles_own_test_was_decided():
    cell = Cell(("induction",), True, 1, "/x/", (("induction", "fails"),))
    assert "covered by a claim that holds; tested as induction: fails" in heads.heads_map(1, 1, {(0, 0): cell})


def test_a_control_says_what_it_tried():
    drawn = control.control_histogram([0.0, 0.1], -0.8, 0, "below", "", "random directions")
    assert "0 of 2 random directions were at least as extreme" in drawn and "Random directions from 0 to" in drawn
