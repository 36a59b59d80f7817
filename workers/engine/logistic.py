"""Softmax regression with an L2 penalty, solved to its one optimum: the same data give the same probe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
STEPS = 1000


@dataclass(frozen=True)
class Logistic:
    """Features are standardized by the mean and deviation of those it was fitted on."""

    middle: Array  # (d,)
    spread: Array  # (d,)
    weights: Array  # (d, classes)
    bias: Array  # (classes,)

    def classes(self, features: Array) -> Labels:
        """(n, d) -> (n,): the likeliest class of each."""
        scores = (features - self.middle) / self.spread @ self.weights + self.bias
        return cast(Labels, scores.argmax(-1))


def fit_logistic(features: Array, labels: Labels, classes: int, l2: float) -> Logistic:
    """features (n, d), labels (n,) from 0. Minimizes the summed cross-entropy + l2 / 2 * |weights|²."""
    middle, spread = features.mean(0), features.std(0)
    spread = np.where(spread > 0, spread, 1.0)
    x, n = (features - middle) / spread, len(features)
    wanted = np.eye(classes)[labels]  # (n, classes)

    def loss(flat: Array) -> tuple[float, Array]:
        weights, bias = flat[classes:].reshape(-1, classes), flat[:classes]
        log_probs = log_softmax(x @ weights + bias, axis=-1)
        off = np.exp(log_probs) - wanted  # (n, classes)
        slope = np.concatenate([off.sum(0), (x.T @ off + l2 * weights).ravel()])
        return float(-(log_probs * wanted).sum() + l2 / 2 * (weights**2).sum()) / n, slope / n

    start = np.zeros(classes * (1 + x.shape[1]))
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": STEPS, "ftol": 1e-12, "gtol": 1e-8})
    return Logistic(middle, spread, found.x[classes:].reshape(-1, classes), found.x[:classes])
