"""Draws cartoon episodes with exact ground truth: for the demo, the tests and the benchmarks."""

from pipeline.cartoon.coco import coco_of
from pipeline.cartoon.series import CartoonOptions, draw_series
from pipeline.cartoon.truth import EpisodeTruth, FaceTruth, HoldTruth, Series, ShotTruth, read_truth, write_truth

__all__ = [
    "CartoonOptions",
    "EpisodeTruth",
    "FaceTruth",
    "HoldTruth",
    "Series",
    "ShotTruth",
    "coco_of",
    "draw_series",
    "read_truth",
    "write_truth",
]
