"""What TransformerLens 3.9 computes on two tiny random models, kept for the tests; `make.py` makes it anew."""
