"""Where and with what a run is made: everything that could explain a different number elsewhere."""

from __future__ import annotations

import os
import platform
import sys
from typing import TYPE_CHECKING

from workers.engine.numbers import Environment

if TYPE_CHECKING:
    from workers.engine.anatomy import Loaded

ENGINE = "0.1.0"
REPEAT = "python -m workers.engine verify FILE"


def make_deterministic() -> None:
    """The same numbers every time on one machine: no reduced precision, no algorithms that depend on timing.

    And no progress bars of libraries among ours.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch
    import transformers

    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    transformers.utils.logging.disable_progress_bar()


def environment_of(loaded: Loaded, command: str = REPEAT) -> Environment:
    """command: what repeats the run."""
    import numpy
    import torch
    import transformers

    from workers.engine.products import is_slow_with_mkl

    return Environment(
        engine=ENGINE,
        weights_sha256=loaded.weights_sha256,
        tokenizer_sha256=loaded.tokenizer_sha256,
        python=platform.python_version(),
        torch=torch.__version__,
        transformers=transformers.__version__,
        numpy=numpy.__version__,
        device=_device_name(loaded),
        machine=f"{platform.system()} {platform.machine()}",
        dtype=str(loaded.model.dtype).removeprefix("torch."),
        threads=torch.get_num_threads(),
        flags={
            "deterministic": str(torch.are_deterministic_algorithms_enabled()).lower(),
            "tf32": str(torch.backends.cuda.matmul.allow_tf32).lower(),
            "platform": sys.platform,
            "products": "oneDNN" if loaded.device.type == "cpu" and is_slow_with_mkl() else "torch",
        },
        command=command,
    )


def _device_name(loaded: Loaded) -> str:
    import torch

    if loaded.device.type == "cuda":
        return f"{loaded.device} ({torch.cuda.get_device_name(loaded.device)})"
    return str(loaded.device)
