"""Which packages are installed, and how to install more."""

import json
from importlib.metadata import PackageNotFoundError, distribution, version


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
    What is installed as a copy, without ``-e``, stays one: otherwise a program would suddenly run
    what lies in the clone, without the native engine that was compiled beside the copy.

    Args:
        extras: Names under ``optional-dependencies`` in ``pyproject.toml``, such as ``"parquet"``.
    """
    kind = "" if _is_copy() else "-e "
    names = ",".join(extras)
    return f'pip install -c constraints.txt {kind}".[{names}]" (in the clone of lgrnet)'


def _is_copy() -> bool:
    """Tell whether pip has copied this package, so that its clone is not needed any more."""
    try:
        origin = distribution("lgrnet").read_text("direct_url.json")
    except PackageNotFoundError:  # a clone that is only on the path
        return False
    return not json.loads(origin or "{}").get("dir_info", {}).get("editable", False)
