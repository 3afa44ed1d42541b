"""Which graph is fastest on which engine, by measurement; ``benchmarks/fps.py`` measures again."""

GRAPHS: dict[tuple[str, str], str] = {
    ("onnxruntime", "fp32"): "winograd",
    ("onnxruntime", "int8"): "direct",
    # On GPUs, for which half precision is made, each of the plain graph's operations is one kernel.
    ("onnxruntime", "fp16"): "plain",
    ("openvino", "fp32"): "winograd",
    ("openvino", "int8"): "direct",
    ("openvino", "fp16"): "plain",
}
"""(engine, precision) → one of :data:`runtime.spec.GRAPHS`."""


def fastest_graph(engine: str, precision: str) -> str:
    """Choose a graph.

    Args:
        engine: One of :data:`runtime.spec.ENGINES`.
        precision: One of :data:`runtime.spec.PRECISIONS`.

    Returns:
        One of :data:`runtime.spec.GRAPHS`.

    Raises:
        ValueError: Engine or precision is unknown.
    """
    if (engine, precision) not in GRAPHS:
        engines, precisions = (sorted(set(names)) for names in zip(*GRAPHS, strict=True))
        raise ValueError(
            f"engine {engine!r} with precision {precision!r}: give one of {engines} and one of "
            f"{precisions}"
        )
    return GRAPHS[engine, precision]
