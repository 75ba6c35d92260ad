"""Faces drawn from numbers, and what `best` learns from them before it sees a data set."""
