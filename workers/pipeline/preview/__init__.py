"""The covered film and its stills."""
