"""Tasks there, answers back: each exactly once, whatever fails on the way."""
