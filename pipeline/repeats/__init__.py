"""Shots that a series shows again: openings, endings, recaps, found by what the shots look like."""

from pipeline.repeats.marks import Placed, marks_of
from pipeline.repeats.matching import RepeatIndex, RepeatOptions, join
from pipeline.repeats.prints import Film, PrintMaker, film_of

__all__ = ["Film", "Placed", "PrintMaker", "RepeatIndex", "RepeatOptions", "film_of", "join", "marks_of"]
