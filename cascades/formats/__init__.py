"""Cascades for programs other than OpenCV, and the card that people read."""
