"""Boxes: what the detector sees, and which of it is the infant that is followed."""
