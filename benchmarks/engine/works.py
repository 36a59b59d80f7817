"""The works that arms are compared on, and what is to be reached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.engine.inputs import Shape

Sampled = tuple[tuple[int, int], ...]


def whole(shape: Shape) -> Sampled:
    return ()


def first_heads(shape: Shape) -> Sampled:
    """One head of every layer."""
    return tuple((layer, 0) for layer in range(shape.layers))


def middle_positions(shape: Shape) -> Sampled:
    """One position of every layer, the first that differs."""
    return tuple((layer, shape.first) for layer in range(shape.layers))


@dataclass(frozen=True)
class Work:
    """sampled: the interventions that peers run, out of `across` in a layer; () where they run the whole work too.

    reach: peer -> how many times as fast as it the engine is to be.
    """

    key: str
    name: str
    sampled: Callable[[Shape], Sampled] = whole
    across: Callable[[Shape], int] = lambda shape: 1
    reach: dict[str, float] = field(default_factory=dict)
    peers: tuple[str, ...] = ()

    def interventions(self, shape: Shape) -> int:
        return shape.layers * self.across(shape)

    def rows(self, shape: Shape) -> list[int]:
        """Where in the whole work the sampled interventions stand."""
        return [layer * self.across(shape) + which for layer, which in self.sampled(shape)]


def heads(shape: Shape) -> int:
    return shape.heads


def positions(shape: Shape) -> int:
    return shape.length


EVERYBODY = ("transformer_lens", "transformer_lens_by_hand", "transformer_lens_bridge", "nnsight", "pyvene")
WORKS = (
    Work("W1", "head sweep", first_heads, heads, {"transformer_lens": 14, "*": 5}, EVERYBODY),
    Work("W2", "residual sweep", middle_positions, positions, {"transformer_lens": 45}, ("transformer_lens",)),
    Work("W3", "faithfulness", reach={"transformer_lens": 3}, peers=("transformer_lens",)),
    Work("W4", "path patching", first_heads, heads, {"transformer_lens": 80}, ("transformer_lens",)),
    Work("W5", "attribution", reach={"transformer_lens": 6}, peers=("transformer_lens",)),
    Work("W6", "EAP", reach={"eap_ig": 30}, peers=("eap_ig",)),
    Work("W6 IG", "EAP-IG", reach={"eap_ig": 30}, peers=("eap_ig",)),
)
