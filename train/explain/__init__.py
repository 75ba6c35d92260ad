"""A look inside a finished run: where it looks, what it mistakes, and which labels are likely wrong."""
