"""What to label next: the crops from which a model would learn most, each asked about once."""
