"""How good a cascade is, on pictures that it was not fitted to."""
