"""From an ONNX file to a TensorRT engine: ``python -m export.tensorrt model.onnx``.

`export.tensorrt.network` has TensorRT read the graph, and `export.tensorrt.build` compiles that and
writes the engine with its sidecar (`runtime.backends.tensorrt_plan`).
"""
