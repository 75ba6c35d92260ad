"""Frames -> cuts and held drawings, while they stream by, on small pictures from the one decode."""

from pipeline.shots.cuts import Cut, CutFinder
from pipeline.shots.holds import HoldFinder
from pipeline.shots.options import DETECTORS, ShotOptions, shrink

__all__ = ["DETECTORS", "Cut", "CutFinder", "HoldFinder", "ShotOptions", "shrink"]
