"""Edits of several interventions written into one batch, worked out by hand."""

from __future__ import annotations

import torch

from workers.engine.documents.components import component
from workers.engine.edit import Edit, Place
from workers.engine.writing import Write, landing, lands, written

HEAD = component("0.1")
POSITIONS = torch.tensor([[2, 3, 4], [2, 3, 4]])  # two prompts, three positions carried


def test_an_edit_lands_where_its_positions_are_carried() -> None:
    edit = Edit(HEAD, torch.tensor([4, 1]), torch.tensor([[7.0], [8.0]]))
    found = landing(edit, POSITIONS)
    assert (found.prompts.tolist(), found.columns.tolist(), found.values.tolist()) == ([0], [2], [[7.0]])
    assert not lands(edit, POSITIONS)
    assert lands(Edit(HEAD, torch.tensor([4, 2]), edit.value), POSITIONS)


def test_an_edit_of_every_position_lands_on_all_that_are_carried() -> None:
    value = torch.arange(10.0).view(2, 5, 1)
    found = landing(Edit(HEAD, None, value), POSITIONS)
    assert found.prompts.tolist() == [0, 0, 0, 1, 1, 1]
    assert found.columns.tolist() == [0, 1, 2, 0, 1, 2]
    assert found.values.flatten().tolist() == [2, 3, 4, 7, 8, 9]


def test_each_intervention_is_written_into_its_own_rows_and_block() -> None:
    """Two interventions of two prompts: four rows, each with one carried position and two blocks of width 1."""
    old = torch.zeros(4, 1, 2)
    at = torch.tensor([5, 5])
    first = Write(0, 0, Edit(HEAD, at, torch.tensor([[1.0], [2.0]])), Place(0, "z", 0))
    second = Write(1, 0, Edit(HEAD, at, torch.tensor([[3.0], [4.0]])), Place(0, "z", 1))
    new = written(old, [(first, 0), (second, 1)], torch.tensor([[5], [5]]), width=1)
    assert new.tolist() == [[[1, 0]], [[2, 0]], [[0, 3]], [[0, 4]]]
    assert old.abs().max() == 0
