"""Which packages are installed."""

from importlib.metadata import PackageNotFoundError, version


def version_of(package: str) -> str | None:
    """Tell the version of an installed package; None where it is not installed.

    Args:
        package: Its name in package indices, such as ``"onnxruntime-gpu"``.
    """
    try:
        return version(package)
    except PackageNotFoundError:
        return None
