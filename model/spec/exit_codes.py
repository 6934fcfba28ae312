"""Exit codes that several commands share; 0 is success and 2, by click, a wrong use."""

from typing import Final

FAILED: Final = 1
"""Something could not be done; a line on stderr says what."""
INTERRUPTED: Final = 130
"""Stopped by Ctrl-C, as shells say it."""
