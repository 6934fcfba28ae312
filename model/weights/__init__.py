"""The ONNX models that ship with the package. None is trained yet."""
