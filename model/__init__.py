"""Everything that turns a picture of an infant into keypoints."""
