"""Data sets, augmentation, the trainer and the paper's recipe. Not built yet."""
