"""What can go wrong in an export."""


class ExportError(RuntimeError):
    """The exported model is not valid, does not compute what the network does, or costs too much.

    In a module of its own, as :mod:`export.onnx` has another name when it is run as a program.
    """
