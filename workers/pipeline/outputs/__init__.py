"""Files: what was found so far, and what an extraction leaves behind."""
