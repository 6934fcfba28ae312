"""How good a pose model is, in the numbers of the field."""
