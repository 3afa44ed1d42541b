"""Turn a checkpoint into files that the runtime opens. Run ``python -m export.onnx ckpt.pt``."""

from runtime.backends.telemetry import silence_onnxruntime

silence_onnxruntime()  # before any module here imports it
