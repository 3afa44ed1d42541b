"""Which packages are installed, and how to install more."""

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


def how_to_install(*extras: str) -> str:
    """Say how to install optional parts of this package, for the ends of messages.

    No package index has it: ``pip install "lgrnet[...]"`` fails, or gets whatever is called so.

    Args:
        extras: Names under ``optional-dependencies`` in ``pyproject.toml``, such as ``"parquet"``.
    """
    return f'pip install -c constraints.txt -e ".[{",".join(extras)}]" (in the clone of lgrnet)'
