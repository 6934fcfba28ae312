"""Training AggPose: augmentation, loss, trainer, and the stages of a recipe."""
