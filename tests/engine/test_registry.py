"""A folder is a registry."""

from __future__ import annotations

import pytest

from workers.engine.metrics import METRICS, Metric
from workers.engine.prompts import GENERATORS
from workers.engine.registry import Registry, UnknownKey
from workers.engine.techniques import TECHNIQUES


@pytest.mark.parametrize("registry", [METRICS, GENERATORS, TECHNIQUES])
def test_every_file_of_a_folder_holds_what_the_folder_promises(registry: Registry[object]) -> None:
    assert len(registry) >= 4
    assert all(registry[key] for key in registry)


def test_an_unknown_key_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(UnknownKey, match="did you mean 'logit_diff'"):
        METRICS["logit_dif"]


def test_a_file_without_its_value_is_an_error() -> None:
    import workers.engine.documents as package

    with pytest.raises(AttributeError):
        Registry(package, "METRIC", Metric)["canonical"]
