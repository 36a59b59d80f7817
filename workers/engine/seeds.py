"""Seeds: which prompts a draw consists of. Hex texts, so that they can be stored, shown and repeated.

Draw 0 is public: anybody derives its seed from the measurement alone. Fresh draws come from a secret, so that nobody
can choose a claim by looking at the prompts it will be judged on (EVIDENCE 1).
"""

from __future__ import annotations

import hashlib
import hmac


def public_seed(measurement_hash: str, draw: int, protocol: int) -> str:
    """The seed of a public draw, part of the protocol."""
    return _digest("public draw", protocol, measurement_hash, draw)


def fit_seed(measurement_hash: str) -> str:
    """The seed of the prompts that means, directions and probes are fitted on: the same for every draw."""
    return _digest("fit", measurement_hash)


def fresh_seed(secret: bytes, measurement_hash: str, index: int) -> str:
    """The seed of draw `index` (1, 2, ...): HMAC-SHA256 under the server's secret."""
    return hmac.new(secret, f"{measurement_hash}\n{index}".encode(), hashlib.sha256).hexdigest()


def number_of(seed: str) -> int:
    """What a generator is seeded with; raises ValueError if the text is not hexadecimal digits."""
    if not seed or seed.strip("0123456789abcdef"):
        raise ValueError(f"{seed!r} is no seed; a seed is written in the digits 0-9 and a-f")
    return int(seed, 16)


def _digest(*parts: object) -> str:
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()
