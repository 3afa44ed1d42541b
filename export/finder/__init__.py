"""Face finders as files: ``python -m export.finder weights/lgrnet_finder.pt``.

Unlike those of the other exports, the graph takes pictures of any size. `runtime.finders` has
OpenCV run it, or the native engine a file of its own (``-o finder.npz``); either is compared with
PyTorch there before it gets its name.
"""
