"""The positive control of a run: did the edits write, does writing what is there change nothing, is the replay true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import torch

from workers.engine.anatomy import Loaded
from workers.engine.arms import Key, Measured, Plan, measured, settings
from workers.engine.chance import pick_different
from workers.engine.fit import Fit
from workers.engine.metrics import METRICS
from workers.engine.numbers import Soundness
from workers.engine.precision import precision_difference
from workers.engine.prompts import Prompt
from workers.engine.setting import ROUNDINGS

SAMPLE_PROMPTS = 8
SAMPLE_ARMS = 16


def checked(plan: Plan, prompts: Sequence[Prompt], loaded: Loaded, fit: Fit) -> Soundness:
    """On a sample of prompts and arms. What the whole run wrote and changed is added by `with_run`."""
    sample, some = tuple(prompts[:SAMPLE_PROMPTS]), _some_arms(plan)
    seen = replace(some, metrics=tuple(dict.fromkeys((*some.metrics, "logit"))))
    fast, slow, null = (
        measured(seen, settings(sample, loaded, fit, seen.metrics, how)) for how in ("replay", "oracle", "null")
    )
    metric = plan.spec.metric
    return Soundness(
        wrote=fast.wrote,
        largest_change=None,
        null_difference=_null_difference(null, plan) if plan.technique.edits else None,
        oracle_difference=max(_difference(fast, slow, key, metric) for key in some.specs),
        oracle_prompts=len(sample),
        noise_floor=ROUNDINGS * torch.finfo(loaded.model.dtype).eps * _size(fast, metric),
        precision_difference=precision_difference(seen, sample, fast, fit),
    )


def with_run(soundness: Soundness, run: Measured) -> Soundness:
    """largest_change: of the edited arm that was changed least, since every one of them is claimed to be an edit."""
    changes = [change for (role, _), change in run.changes.items() if role in ("edited", "contrast")]
    update = {"wrote": soundness.wrote and run.wrote, "largest_change": min(changes, default=None)}
    return soundness.model_copy(update=update)


def _some_arms(plan: Plan) -> Plan:
    keys = list(plan.specs)
    if len(keys) <= SAMPLE_ARMS:
        return plan
    picked = pick_different(Random(plan.spec.sha256), keys, SAMPLE_ARMS)
    return plan.with_arms({key: plan.specs[key] for key in keys if key in picked})


def _null_difference(null: Measured, plan: Plan) -> float:
    """Between arms whose edits write what is there and the run that they are made in."""
    untouched: Key = ("corrupted", 0) if plan.spec.base == "corrupted" else ("untouched", 0)
    base = null.values[untouched][plan.spec.metric]
    edited = [null.values[key][plan.spec.metric] for key in null.values if key in plan.specs]
    return max(float((found - base).abs().max()) for found in edited)


def _difference(one: Measured, other: Measured, key: Key, metric: str) -> float:
    return float((one.values[key][metric] - other.values[key][metric]).abs().max())


def _size(run: Measured, metric: str) -> float:
    """The largest logit or number of the metric, and 1 at least."""
    names = ("logit",) if METRICS[metric].rows == "none" else ("logit", metric)
    found = [run.values["untouched", 0][name] for name in names]
    found += [arm[metric] for arm in run.values.values() if metric in arm]
    return max(1.0, *(float(values.abs().max()) for values in found))
