"""AggPose in PyTorch: its layers, its sizes, and reading checkpoints."""
