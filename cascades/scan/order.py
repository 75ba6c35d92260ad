"""In which order stages reject most windows for the least work: learnt from windows of the pictures themselves.

A window is found when it passes every stage, so any order finds the same. A stage that comes late was fitted to what those
before it let through, but often rejects more of all windows than an early one does for as many trees.
"""

import threading

import numpy as np
from numpy.typing import NDArray

AT_A_TIME = 512
"""windows that are looked at on one sheet"""
ENOUGH = 4096
"""windows after which the order stays"""


class StageOrder:
    """Learns the order of a cascade's stages.

    Args:
        trees_S: how many trees each stage has: what it costs.
    """

    def __init__(self, trees_S: NDArray[np.int64]) -> None:
        self._trees, self._seen, self._lock = trees_S, np.zeros((0, len(trees_S)), dtype=np.bool_), threading.Lock()
        self.stages: NDArray[np.int64] = np.arange(len(trees_S), dtype=np.int64)
        """the best order that is known; never changed in place"""

    @property
    def is_learning(self) -> bool:
        """Whether more windows are wanted."""
        return len(self._seen) < ENOUGH and len(self.stages) > 1

    def add(self, passes_NS: NDArray[np.bool_]) -> None:
        """Learns from windows, of which each stage says whether they pass it."""
        with self._lock:
            self._seen = np.concatenate([self._seen, passes_NS])
            self.stages = np.array(self._best(), dtype=np.int64)

    def _best(self) -> list[int]:
        """One after the other the stage with the fewest trees for what it rejects of those that are left."""
        left, alive, order = list(range(len(self._trees))), np.ones(len(self._seen), dtype=np.bool_), list[int]()
        while left and alive.any():
            shares = np.maximum(self._seen[alive][:, left].mean(axis=0), 0.5 / len(self._seen))
            stage = left[int(np.argmin(self._trees[left] / np.maximum(-np.log(shares), 1e-9)))]
            order.append(stage)
            left.remove(stage)
            alive &= self._seen[:, stage]
        return order + left
