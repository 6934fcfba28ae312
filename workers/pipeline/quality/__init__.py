"""What a film's keypoints are worth, as figures and on one page."""
