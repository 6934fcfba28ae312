"""What covers each frame of a preview, so that nobody can be recognised."""
