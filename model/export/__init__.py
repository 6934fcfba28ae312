"""From a PyTorch network to one ONNX file with its manifest, and the parity gate."""
