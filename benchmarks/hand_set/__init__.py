"""Transformers whose weights are set by hand, so that every claim about them is known to be true or false."""
