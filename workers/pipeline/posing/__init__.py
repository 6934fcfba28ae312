"""Keypoints: crops with the trunk down, the pose model, and what a window of it gives."""
