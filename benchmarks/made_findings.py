"""Small findings about a model that is shipped, as many as wanted, each with measurements of its own.

They are true and cheap: the two-layer model continues repeated random tokens. A run takes 0.1 to 0.4 seconds.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from workers.engine.documents.kinds import DOCUMENTS

ROOT = Path(__file__).resolve().parents[1]
MODEL: dict[str, Any] = json.loads((ROOT / "fixtures/models/induction-2l.json").read_text())
INDUCTION: dict[str, Any] = json.loads((ROOT / "fixtures/behaviors/induction.json").read_text())
BOUNDS = (0.5, 0.9)
"""On the probability of the right token, in turn. The second is closer to the truth, and takes four times the prompts
of the first."""
DRAWS = 2


def behavior(slug: str, number: int, sets: int) -> dict[str, Any]:
    """With so many prompt sets. No two numbers below 1,000, and no two sets of one, have prompts in common."""
    prompts = {"default" if index == 0 else f"set-{index}": _prompts(number, index) for index in range(sets)}
    return INDUCTION | {"slug": slug, "title": f"Induction {number}", "prompts": prompts}


def finding(slug: str, behavior: dict[str, Any], sets: slice = slice(None), summary: str = "") -> dict[str, Any]:
    """One claim, and so DRAWS runs, for each of these prompt sets."""
    names = [*behavior["prompts"]][sets]
    return {
        "slug": slug,
        "title": f"Induction, {slug}",
        "summary": summary,
        "behavior": {"slug": behavior["slug"], "revision": _sha256("behavior", behavior)},
        "model": {"slug": MODEL["slug"], "revision": _sha256("model", MODEL)},
        "claims": [_claim(name, BOUNDS[index % len(BOUNDS)]) for index, name in enumerate(names)],
    }


def _claim(prompts: str, bound: float) -> dict[str, Any]:
    spec = {"metric": "prob", "prompts": prompts}
    return {"id": f"on-{prompts}", "technique": "behavior", "spec": spec, "expect": {"at_least": bound}}


def _prompts(number: int, index: int) -> dict[str, Any]:
    """The tokens that may be drawn tell the numbers apart, the layout the sets."""
    layouts = [{"prefix": index, "segment": 8, "gap": 2}]
    return {
        "generator": "repeated_tokens",
        "length": 40 + number // 100,
        "tokens": {"first": 1, "last": 255 - number % 100},
        "layouts": layouts,
    }


def _sha256(kind: str, document: dict[str, Any]) -> str:
    return str(DOCUMENTS[kind].from_json(document).sha256)
