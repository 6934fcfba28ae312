"""Data sets, training, evaluation: what makes the models that ship."""
