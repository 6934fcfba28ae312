"""From a video to keypoints and a masked preview, in plain Python."""
