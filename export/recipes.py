"""Which graph is fastest on which engine, by measurement; ``benchmarks/fps.py`` measures again."""

FASTEST: dict[tuple[str, str], str] = {
    ("onnxruntime", "fp32"): "winograd",
    ("onnxruntime", "int8"): "direct",
    # On GPUs, for which half precision is made, each of the plain graph's operations is one kernel.
    ("onnxruntime", "fp16"): "plain",
    ("openvino", "fp32"): "winograd",
    ("openvino", "int8"): "direct",
    ("openvino", "fp16"): "plain",
}
"""(engine, precision) → one of :data:`runtime.spec.GRAPHS`."""

SMALL_GRID = 24
"""Cells along a side of F below which OpenVINO's 8-bit convolutions take so little time that the
direct graph's many small operations cost more than its convolutions spare. Measured on 16 cells
(plain faster) and 44 (direct faster), nothing between."""


def fastest_graph(engine: str, precision: str, grid: int) -> str:
    """Choose a graph.

    Args:
        engine: One of :data:`runtime.spec.ENGINES`.
        precision: One of :data:`runtime.spec.PRECISIONS`.
        grid: Cells along a side of F.

    Returns:
        One of :data:`runtime.spec.GRAPHS`.

    Raises:
        ValueError: Engine or precision is unknown.
    """
    if (engine, precision) not in FASTEST:
        engines, precisions = (sorted(set(names)) for names in zip(*FASTEST, strict=True))
        raise ValueError(
            f"engine {engine!r} with precision {precision!r}: give one of {engines} and one of "
            f"{precisions}"
        )
    if (engine, precision) == ("openvino", "int8") and grid < SMALL_GRID:
        return "plain"
    return FASTEST[engine, precision]
