"""Who can say something to whom: the order of writing and reading the residual stream."""

from __future__ import annotations

import pytest

from workers.engine.documents.components import component
from workers.engine.documents.reach import can_reach

IN_ORDER = ["embed", "0.1", "mlp.0", "resid.1", "attn.1", "mlp.1", "2.3", "resid.3"]


@pytest.mark.parametrize("number", range(len(IN_ORDER)))
def test_what_comes_first_reaches_what_comes_later_and_nothing_reaches_itself(number: int) -> None:
    sender = component(IN_ORDER[number])
    reached = [text for text in IN_ORDER if can_reach(sender, component(text))]
    assert reached == IN_ORDER[number + 1 :]


def test_heads_of_one_layer_cannot_hear_each_other_and_all_reach_the_logits() -> None:
    assert not can_reach(component("1.0"), component("1.1.q"))
    assert can_reach(component("1.0"), component("mlp.1"))
    assert all(can_reach(component(text), component("logits")) for text in IN_ORDER)
    assert not can_reach(component("logits"), component("logits"))
