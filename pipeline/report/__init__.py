"""The pages that people look at."""

from pipeline.report.demo import DemoScores
from pipeline.report.page import build_report

__all__ = ["DemoScores", "build_report"]
