"""Half precision, where it was asked for: how far its numbers lie from those of single precision, on a sample."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from workers.engine.anatomy import Loaded
from workers.engine.arms import Measured, Plan, measured, settings
from workers.engine.fit import Fit
from workers.engine.loading import load_folder
from workers.engine.prompts import Prompt

HALF = (torch.bfloat16, torch.float16)


def precision_difference(plan: Plan, prompts: Sequence[Prompt], rough: Measured, fit: Fit) -> float | None:
    """The metric's largest difference from the same arms in float32, untouched run included; None in float32 itself.

    rough: the arms on these prompts in the precision that was asked for. The checkpoint is loaded once more, and what
    is fitted is fitted again: both models lie on the device until this is done.
    """
    if fit.loaded.model.dtype not in HALF:
        return None
    single = _in_single_precision(fit)
    fine = measured(plan, settings(prompts, single.loaded, single, plan.metrics, "replay"))
    metric = plan.spec.metric
    arms = [key for key in rough.values if key in plan.specs or key == ("untouched", 0)]
    differences = [rough.values[key][metric] - fine.values[key][metric] for key in arms if metric in rough.values[key]]
    return max(float(difference.abs().max()) for difference in differences)


def _in_single_precision(fit: Fit) -> Fit:
    half = fit.loaded
    exact: Loaded = load_folder(half.folder, half.device)
    return Fit(exact, fit.vocabulary, fit.parts, fit.seed)
