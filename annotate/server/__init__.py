"""A Label Studio of our own: its environment, its process, and who may talk to it."""
