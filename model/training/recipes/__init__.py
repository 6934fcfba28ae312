"""Recipes as files: what to train, on what, for how long."""
