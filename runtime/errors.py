"""What can go wrong for reasons a user can mend; each message names the thing and the fix."""


class InputError(ValueError):
    """A frame, image, video or folder cannot be used as it is."""


class ModelError(ValueError):
    """A model file cannot be opened, or does not keep the contract of `runtime.spec`."""


class SpecError(ValueError):
    """A model file does not say what it is, or says it in a version that is not ours."""


class DeviceError(RuntimeError):
    """The device that was asked for is not there; nothing else is used in its place."""


class OpenCVError(RuntimeError):
    """This build of OpenCV lacks a part that was asked for."""


class OutputError(OSError):
    """An output cannot be written: the disc is full or fails, or the codec is missing."""
