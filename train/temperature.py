"""How sure a model should say it is: one number, fitted on examples it was not trained on.

Temperature scaling (Guo et al. 2017, "On Calibration of Modern Neural Networks"): all scores are divided by T before the
softmax, which changes no prediction. Numpy and scipy alone.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pipeline.core.manifest import Dataset
    from train.predict import Model

FEWEST = 20
"""examples; of fewer nothing is concluded"""
SOFTEST, LEAST = 20.0, 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Temperature:
    """How a model's probabilities are to be softened."""

    value: float
    """over 1: it was too sure of itself"""
    examples: int
    """that it was fitted on; 0: it was not fitted"""
    split: str
    """they are of; empty when it was not fitted"""


NOT_FITTED = Temperature(value=1.0, examples=0, split="")


def fitted_temperature(probabilities_NC: NDArray[np.floating], labels_N: NDArray[np.int64]) -> float:
    """The temperature with the least mean negative log likelihood, from 1/20 to 20."""
    from scipy.optimize import minimize_scalar

    logs_NC = np.log(np.maximum(np.asarray(probabilities_NC, dtype=np.float64), LEAST))
    rows = np.arange(len(labels_N))

    def loss(log_temperature: float) -> float:
        scaled = logs_NC / np.exp(log_temperature)
        top = scaled.max(axis=1)
        total = top + np.log(np.exp(scaled - top[:, None]).sum(axis=1))
        return float((total - scaled[rows, labels_N]).mean())

    limit = float(np.log(SOFTEST))
    found = minimize_scalar(loss, bounds=(-limit, limit), method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x))


def temperature_of(model: "Model", dataset: "Dataset") -> Temperature:
    """Fitted on the run's own validation split, or on its test split where that is too small.

    The test split is fair for pictures from elsewhere; the run's own scores are told before and never after it.

    Raises:
        DatasetError: an image is missing or changed.
    """
    from pipeline.core.progress import Silent
    from train.examples import labels_of, read_images

    options = model.run.options
    for split in ("val", "test"):
        rows = [example for example in dataset.examples if example.split == split]
        if len(rows) >= FEWEST:
            found = model.classify_squares(read_images(dataset, rows, options.image_size, Silent()))
            labels = labels_of(rows, model.classes, options).numpy()
            return Temperature(value=fitted_temperature(found, labels), examples=len(rows), split=split)
    return NOT_FITTED
