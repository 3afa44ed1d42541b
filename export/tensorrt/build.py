"""Building an engine and writing it beside its sidecar."""

import logging
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import onnx

from export.errors import ExportError
from export.options import checked_output
from export.tensorrt.network import parse, read_onnx
from runtime.backends.tensorrt_plan import (
    FLAVOURS,
    SUFFIX,
    EnginePlan,
    load_tensorrt,
    read_plan,
    write_plan,
)
from runtime.cuda.device import open_gpu
from runtime.errors import ModelError, SpecError
from runtime.files.atomic import PendingFile
from runtime.files.digest import file_sha256
from runtime.spec import INPUT_NAME, ModelSpec

logger = logging.getLogger(__name__)

RTX_TARGETS = ("8.0", "8.6", "8.9", "12.0")
"""Compute capabilities that TensorRT for RTX builds our networks for, Ampere to Blackwell.

It knows 7.5 (Turing) as well, but has no products in float32 there, which the layers that place
landmarks need also in fp16 files.
"""


def build_engine(
    model: str | Path,
    output: str | Path | None = None,
    *,
    flavour: str = "tensorrt",
    targets: Sequence[str] | None = None,
    device: int = 0,
    timing_cache: str | Path | None = None,
    force: bool = False,
) -> Path:
    """Build a TensorRT engine from an exported ONNX file.

    The engine is strongly typed: its precision is that of the file.

    Args:
        model: Written by `export.onnx`, a plain graph in fp32 or fp16.
        output: The engine; None for beside the model, with ``.engine`` and the flavour in its name.
        flavour: ``"tensorrt"``, which needs the GPU that it builds for, or ``"rtx"``.
        targets: ``"rtx"``: compute capabilities such as ``"8.6"``; None for all of
            :data:`RTX_TARGETS`.
        device: ``"tensorrt"``: number of the CUDA device.
        timing_cache: File that keeps how long kernels took, so that the next build is quick; None
            for one beside the engine. Of no use to ``"rtx"``, which times nothing when it builds.
        force: Build also where an engine that fits is there.

    Returns:
        The engine file; `runtime.backends.tensorrt_plan.sidecar` names the JSON beside it.

    Raises:
        FileNotFoundError: There is no such model.
        ValueError: An argument is out of range.
        SpecError: The model is not an export of this project.
        ImportError: TensorRT or, where a GPU is needed, pycuda is not installed.
        DeviceError: The GPU cannot be used.
        ExportError: TensorRT cannot read or build the graph; nothing was written.
    """
    path = Path(model)
    if not path.is_file():
        raise FileNotFoundError(f"model {path} does not exist")
    end = f"_rtx{SUFFIX}" if flavour == "rtx" else SUFFIX
    output = checked_output(output, path.with_name(path.stem + end))
    if flavour not in FLAVOURS:
        raise ValueError(f"flavour {flavour!r}: give one of {', '.join(FLAVOURS)}")
    if flavour == "rtx" and (device or timing_cache is not None):
        logger.warning("--device and --timing-cache are not used: rtx builds on no GPU")
    library = load_tensorrt(flavour)
    proto = read_onnx(path)
    spec = ModelSpec.from_metadata({p.key: p.value for p in proto.metadata_props}, str(path))
    gpu: str | None
    there: AbstractContextManager[None]
    if flavour == "rtx":
        chosen, gpu, there = _rtx_targets(targets), None, nullcontext()
    else:
        if targets is not None:
            raise ValueError("targets: TensorRT builds for its GPU only; give flavour rtx")
        here = open_gpu(device)
        chosen, gpu, there = (here.capability,), here.name, here.current()
    plan = EnginePlan(
        spec=replace(spec, engine="tensorrt"),
        flavour=flavour,
        version=library.__version__,
        targets=chosen,
        gpu=gpu,
        onnx_sha256=file_sha256(path),
        engine_sha256="",
        shapes=_shapes(proto),
    )
    if not force and (reason := _outdated(output, plan)) is None:
        logger.info("%s is up to date: built from the same model for the same GPU", output)
        return output
    elif not force and output.exists():
        logger.info("%s is built again: %s", output, reason)
    cache = output.with_suffix(".timing") if timing_cache is None else Path(timing_cache)
    started = time.perf_counter()
    with there:  # TensorRT builds for the GPU that is current
        content = _compile(library, proto, plan, None if flavour == "rtx" else cache)
    with PendingFile(output) as pending:
        pending.write_bytes(content)
    write_plan(output, replace(plan, engine_sha256=file_sha256(output)))
    logger.info(
        "%s: %s %s for compute capability %s, %.1f MB, built in %.1f s",
        *(output, spec.precision, flavour, ", ".join(chosen), len(content) / 1e6),
        time.perf_counter() - started,
    )
    return output


def _rtx_targets(targets: Sequence[str] | None) -> tuple[str, ...]:
    if targets is None:
        return RTX_TARGETS
    for each in targets:
        if each not in RTX_TARGETS:
            raise ValueError(
                f"target {each!r}: TensorRT for RTX builds our networks for "
                f"{', '.join(RTX_TARGETS)}; for other GPUs take flavour tensorrt, on the GPU"
            )
    return tuple(dict.fromkeys(targets))


def _shapes(proto: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    ports = [*proto.graph.input, *proto.graph.output]
    return {
        port.name: tuple(dim.dim_value for dim in port.type.tensor_type.shape.dim)
        for port in ports
        if port.name == INPUT_NAME or port in proto.graph.output
    }


def _outdated(output: Path, plan: EnginePlan) -> str | None:
    """Tell why an engine that is there has to be built again; None if it need not be."""
    if not output.exists():
        return "it is not there"
    try:
        old = read_plan(output)
    except (ModelError, SpecError) as error:
        return str(error)
    if old.onnx_sha256 != plan.onnx_sha256:
        return "it was built from another model"
    if old.flavour != plan.flavour:
        return f"it was built by {old.flavour}"
    if superfluous := set(old.targets) - set(plan.targets):
        return f"it was also built for compute capability {', '.join(sorted(superfluous))}"
    reasons = (old.mismatch(plan.version, target, plan.gpu) for target in plan.targets)
    return next((reason for reason in reasons if reason), None)


def _compile(
    library: ModuleType, proto: onnx.ModelProto, plan: EnginePlan, cache_file: Path | None
) -> bytes:
    errors: list[str] = []
    log = _log_of(library, errors)
    builder = library.Builder(log)
    network = parse(library, builder, proto, log)
    config = builder.create_builder_config()
    # TF32 would compute an fp32 file's products with 10 bits: precision is what the file says.
    config.clear_flag(library.BuilderFlag.TF32)
    if plan.flavour == "rtx":
        config.num_compute_capabilities = len(plan.targets)
        for place, target in enumerate(plan.targets):
            name = "SM" + target.replace(".", "")
            config.set_compute_capability(getattr(library.ComputeCapability, name), place)
    cache = None if cache_file is None else _timing_cache(config, cache_file)
    content: Any = builder.build_serialized_network(network, config)
    if content is None:
        raise ExportError(
            f"{plan.flavour} {plan.version} could not build the graph for "
            f"{', '.join(plan.targets)}: {errors[-1] if errors else 'it does not say why'}"
        )
    if cache_file is not None and cache is not None:
        with PendingFile(cache_file) as pending:
            pending.write_bytes(bytes(cache.serialize()))
    return bytes(content)


def _timing_cache(config: Any, file: Path) -> Any:
    """Attach what was timed before, or an empty cache where that does not fit."""
    if file.exists():
        cache = config.create_timing_cache(file.read_bytes())
        if cache is not None and config.set_timing_cache(cache, ignore_mismatch=False):
            return cache
        logger.info("%s is of another GPU or another TensorRT: all is timed anew", file)
    cache = config.create_timing_cache(b"")
    config.set_timing_cache(cache, ignore_mismatch=False)
    return cache


def _log_of(library: ModuleType, errors: list[str]) -> Any:
    """Make a logger of TensorRT's that keeps what went wrong, for messages of ours."""

    class Log(library.ILogger):  # type: ignore[name-defined]  # found out at run time
        def log(self, severity: Any, message: str) -> None:
            if severity in (library.ILogger.ERROR, library.ILogger.INTERNAL_ERROR):
                errors.append(message)

    return Log()
