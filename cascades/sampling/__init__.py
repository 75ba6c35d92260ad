"""From boxes on pictures to the windows that a fit learns from."""
