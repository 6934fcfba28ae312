"""The detector of infants and heads: its training, export and evaluation."""
