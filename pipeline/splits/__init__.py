"""Labelled crops -> train, val, test: what belongs together stays together, and classes and characters are balanced."""

from pipeline.splits.components import Candidate, components
from pipeline.splits.sharing import UNITS, Shared, SplitOptions, balance_of, share_out

__all__ = ["UNITS", "Candidate", "Shared", "SplitOptions", "balance_of", "components", "share_out"]
