"""What all that draws with Matplotlib needs first."""

from runtime.installed import how_to_install


def require_matplotlib(otherwise: str = "") -> None:
    """Check that there is Matplotlib, before minutes are spent on what it shall draw.

    Args:
        otherwise: What to do where it is not to be installed, such as "leave out --page".

    Raises:
        ImportError: It is not installed, or does not load.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"Matplotlib does not load ({error}): {how_to_install('bench')}"
            f"{', or ' if otherwise else ''}{otherwise}"
        ) from error
