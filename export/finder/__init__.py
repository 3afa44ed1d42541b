"""Face finders as ONNX: ``python -m export.finder weights/lgrnet_finder.pt``.

Unlike the other exports the file takes pictures of any size. It is what
`runtime.finders.NetworkFinder` has OpenCV run, and is compared with PyTorch there before it gets
its name.
"""
