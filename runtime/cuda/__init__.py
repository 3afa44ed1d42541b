"""NVIDIA GPUs through pycuda: the device, memory that both sides see, and CUDA graphs.

Nothing here is loaded before a model is opened on a GPU.
"""
