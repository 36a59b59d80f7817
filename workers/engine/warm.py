"""Models kept loaded from one request to the next, as many as there is memory for, and the last run's fit."""

from __future__ import annotations

import gc
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

from workers.engine.anatomy import Loaded
from workers.engine.checkpoint import CannotLoad
from workers.engine.cost import MEBIBYTE, cost_of, weights_held
from workers.engine.documents.measurement import Measurement
from workers.engine.fit import Fit
from workers.engine.matching import load
from workers.engine.measuring import fit_of
from workers.engine.sampling import claimed

KEPT_WARM = 2
"""Models kept where nobody says how much memory they may take."""

Key = tuple[str, str, str]


class Warm:
    """The one used longest ago makes room, before the next is loaded."""

    def __init__(self) -> None:
        self._models: OrderedDict[Key, Loaded] = OrderedDict()
        self._fit: tuple[str, Fit] | None = None

    @property
    def mebibytes(self) -> int:
        """What the parameters of the loaded models take."""
        return sum(map(mebibytes_of, self._models.values()))

    def load(self, measurement: Measurement, folders: Sequence[Path], device: str, memory: int | None) -> Loaded:
        """memory: MiB that all models may take together, and this measurement's run beside them.

        Raises CannotLoad for a model that needs more by itself.
        """
        key = (measurement.model.sha256, device, measurement.dtype)
        if key not in self._models:
            self._make_room(measurement, memory)
            self._models[key] = load(measurement.model, folders, device, measurement.dtype)
        self._models.move_to_end(key)
        self._keep_to(memory)
        return self._models[key]

    def fit(self, measurement: Measurement, loaded: Loaded) -> Fit:
        """The draws of a measurement and its control mostly follow one another."""
        key = claimed(measurement).sha256
        if self._fit is None or self._fit[0] != key or self._fit[1].loaded is not loaded:
            self._fit = (key, fit_of(measurement, loaded))
        return self._fit[1]

    def forget(self) -> None:
        self._models.clear()
        self._free()

    def _make_room(self, measurement: Measurement, memory: int | None) -> None:
        """By the estimate, since nothing is known yet of what will be loaded."""
        if memory is None:
            return self._evict_until(lambda: len(self._models) < KEPT_WARM)
        weights = weights_held(measurement.model.dimensions, measurement.dtype)
        if weights > memory:
            raise _too_large(weights, memory)
        run = cost_of(measurement).memory
        self._evict_until(lambda: self.mebibytes + run <= memory)

    def _keep_to(self, memory: int | None) -> None:
        """By what is loaded: the estimate may have been too low."""
        if memory is None or self.mebibytes <= memory:
            return
        self._evict_until(lambda: self.mebibytes <= memory or len(self._models) == 1)
        if (needed := self.mebibytes) > memory:
            self.forget()
            raise _too_large(needed, memory)

    def _evict_until(self, enough: Callable[[], bool]) -> None:
        while self._models and not enough():
            self._models.popitem(last=False)
        self._free()

    def _free(self) -> None:
        """Hands back what is no longer kept, at once, even where it refers to itself; a fit would keep its model."""
        import torch

        self._fit = None
        gc.collect()
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()


def mebibytes_of(loaded: Loaded) -> int:
    """Parameters and buffers, as they lie in memory; tied ones once."""
    model = loaded.model
    size: int = sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))
    return -(-size // MEBIBYTE)


def _too_large(needed: int, memory: int) -> CannotLoad:
    return CannotLoad(f"needs about {needed:,} MiB, this worker may take {memory:,}")
