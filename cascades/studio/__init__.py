"""The rounds of labelling: likely mistakes shown to people, their answers fitted to, the same held-out shots scored."""
