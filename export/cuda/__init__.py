"""From a checkpoint or an ONNX file to a file of our own GPU kernels: ``python -m export.cuda``.

`export.cuda.kernels` holds the kernels, in Triton's language; `export.cuda.network` turns a network
into a list of their launches; `export.cuda.memory` places the buffers; `export.cuda.compile` makes
machine code of them, which needs no GPU, and `export.cuda.interpret` runs the list on the CPU.
`runtime.cuda.launch_plan` is the file.
"""
