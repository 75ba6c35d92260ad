"""Dataset versions: written once, compared, checked, passed on in other formats, brought in from outside, rebuilt."""
