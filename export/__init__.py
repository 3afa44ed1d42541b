"""Turn a checkpoint into files that the runtime opens. Run ``python -m export.onnx ckpt.pt``."""
