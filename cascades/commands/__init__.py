"""What `toonsift cascade ...` and `toonsift detect` do; `cascades.cli` mounts them. Heavy imports wait in the functions."""
