"""From an ONNX file to a TensorRT engine: ``python -m export.tensorrt model.onnx``.

`export.tensorrt.library` loads one of the two TensorRTs, `export.tensorrt.network` has it read the
graph, and `export.tensorrt.build` compiles that and writes the engine with its sidecar
(`runtime.backends.tensorrt_plan`).
"""
