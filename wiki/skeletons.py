"""What a new document starts from in the form: every part that people fill in, with example values."""

from __future__ import annotations

import json
from typing import Any

_PIN = "sha256:… (see the table below)"
_FINDING: dict[str, Any] = {
    "kind": "finding",
    "slug": "my-finding",
    "title": "What the heads do",
    "summary": "",
    "behavior": {"slug": "induction", "revision": _PIN},
    "model": {"slug": "induction-2l", "revision": _PIN},
    "roles": {"induction": _PIN},
    "circuit": {"nodes": [{"component": "1.0", "role": "induction"}], "edges": [], "groups": {}},
    "claims": [
        {
            "id": "knocking-it-out",
            "statement": "In your own words.",
            "technique": "ablation",
            "spec": {"components": ["1.0"], "ablation": "mean", "metric": "logit_diff", "report": "relative_change"},
            "expect": {"at_most": -0.5},
        }
    ],
    "references": [],
    "body": "",
}
_BEHAVIOR: dict[str, Any] = {
    "kind": "behavior",
    "slug": "my-behavior",
    "title": "What the model does",
    "summary": "",
    "prompts": {"default": {"generator": "repeated_tokens"}},
    "metric": "logit_diff",
    "chance": 0.0,
    "threshold": 1.0,
}
_ROLE: dict[str, Any] = {
    "kind": "role",
    "slug": "my-role",
    "title": "My role",
    "definition": "What a head with this role does.",
    "decided_by": "causal",
    "test": {"words": "How one decides whether a head has it.", "level": "primary"},
}
_MODEL: dict[str, Any] = {
    "kind": "model",
    "slug": "my-model",
    "title": "My model",
    "weights": {"repository": "owner/name", "commit": "0" * 40},
    "family": "gpt2",
    "tokenizer_sha256": None,
    "bos": None,
    "chat_template": None,
    "dimensions": {
        **{"layers": 12, "heads": 12, "key_value_heads": 12, "d_model": 768, "d_head": 64, "d_mlp": 3072},
        **{"vocabulary": 50257, "positions": 1024},
    },
}
SKELETONS: dict[str, str] = {
    document["kind"]: json.dumps(document, indent=2, ensure_ascii=False)
    for document in (_FINDING, _BEHAVIOR, _ROLE, _MODEL)
}
