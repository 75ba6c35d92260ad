"""One-vs-all experts beside a base net, joined by a net that learned from predictions out of fold (Abanoz & Cataltepe)."""

from train.ensemble.training import train_ensemble

__all__ = ["train_ensemble"]
