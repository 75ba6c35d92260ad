"""Cascades on a GPU: judging, searching and boosting through torch, beside the CPU kernels and with the same results."""
