"""OV eigenvalues: is a head's OV circuit, from the whole vocabulary to the whole vocabulary, one that copies?

The circuit is the vocabulary × vocabulary matrix E N W_V W_O N' W_U, where N and N' are the linear parts of the norms
(gain, and for LayerNorm centring). The sum of its eigenvalues over the sum of their sizes is 1 if all are positive,
as in a matrix that raises the logits of what it reads, and -1 if all are negative. At most d_head of them are not 0,
and those are the eigenvalues of a d_head × d_head matrix, which is what is computed. One number for a head, the same on
every prompt; no prompt is run. Large eigenvalues of few directions may hide what happens to single tokens: `ov_copying`
asks the tokens. Source: Elhage et al. 2021, A Mathematical Framework for Transformer Circuits, "copying heads".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from workers.engine.documents.reads import ReadingSpec
from workers.engine.techniques import Technique
from workers.engine.words import places_in_words

if TYPE_CHECKING:
    from workers.engine.setting import Effects, Setting


class Spec(ReadingSpec):
    """embedding: see ov_copying."""

    metric: str = "ov_eigenvalues"
    embedding: Literal["plain", "after_mlp0"] = "after_mlp0"


def run(setting: Setting, specs: Sequence[Spec]) -> Effects:
    """The score of the spec's heads, averaged over them, on every prompt alike."""
    import torch

    from workers.engine.head_scores import head, ov_matrix
    from workers.engine.setting import averaged

    def score(text: str, spec: Spec) -> torch.Tensor:
        values = torch.linalg.eigvals(ov_matrix(setting, head(text), spec.embedding).double().cpu())
        balance: torch.Tensor = values.sum().real / values.abs().sum()
        return balance.expand(len(setting.prompts))

    return averaged(specs, score)


def sentence(spec: Spec) -> str:
    return f"summing the eigenvalues of the OV circuit of {places_in_words(spec.components, spec.over)}"


TECHNIQUE = Technique(
    version=1,
    spec=Spec,
    causal=False,
    gated=False,
    controlled=False,
    edits=False,
    run=run,
    sentence=sentence,
    picture="heads",
)
