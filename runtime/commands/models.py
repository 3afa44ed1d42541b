"""``python -m runtime models``: what models say of themselves, by default those that come along."""

import argparse
import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from runtime.backends import open_backend
from runtime.backends.tensorrt_plan import read_plan
from runtime.console.help import purpose
from runtime.cuda.launch_plan import read_launch_plan
from runtime.packaged import DEFAULT, MODELS, model_path
from runtime.spec import METADATA_KEY, ModelSpec


def main(argv: Sequence[str]) -> int:
    """Print a paragraph a model, or with ``--json`` a list of objects.

    Args:
        argv: Arguments after ``models``.

    Returns:
        0; 2 where a model is missing or cannot be opened here.
    """
    parser = argparse.ArgumentParser(prog="python -m runtime models", description=purpose(__doc__))
    parser.add_argument(
        "models", nargs="*", metavar="MODEL", default=list(MODELS), help="names, or exported files"
    )
    parser.add_argument(
        "--json", action="store_true", help="all that the files say of themselves, as a JSON list"
    )
    args = parser.parse_args(argv)
    told, code = [], 0
    for name in args.models:
        try:
            path = model_path(name)
            spec = _read_spec(path)
        except (OSError, ValueError, RuntimeError, ImportError) as error:
            told.append({"model": name, "error": str(error)})
            text = f"  cannot be opened here: {error}"
            code = 2
        else:
            said = json.loads(spec.to_metadata()[METADATA_KEY])
            told.append({"model": name, "file": str(path), **said})
            text = _describe(name, path, spec)
        if not args.json:
            print(f"{name}{', the default' if name == DEFAULT else ''}\n{text}\n")
    if args.json:
        print(json.dumps(told, indent=2))
    elif args.models == list(MODELS):
        print("--model takes these names, or the path of a file that was exported")
    return code


def _read_spec(path: Path) -> ModelSpec:
    """Read what a file says of itself: by opening it, or where that takes a GPU, without one."""
    kind = path.suffix.lower() if path.is_file() else ""
    if kind == ".fused":
        return read_launch_plan(path)[0].spec
    if kind == ".engine":
        return read_plan(path).spec
    with closing(open_backend(path, threads=1)) as backend:
        return backend.spec


def _describe(name: str, path: Path, spec: ModelSpec) -> str:
    options = f"--model {name} --backend {spec.engine}"
    if spec.engine in ("tensorrt", "fused"):
        options += " --device cuda"
    rows = {
        "file": f"{path} ({path.stat().st_size / 1e6:.1f} MB)",
        "for": f"{spec.engine}, {spec.precision} ({options})",
        "AUs": " ".join(f"{au:<4}" for au in spec.aus).rstrip(),
        "thresholds": " ".join(f"{threshold:.2f}" for threshold in spec.thresholds),
        "tells": "presence and intensity" if spec.intensity else "presence",
        "trained on": spec.training_data,
        "licence": spec.licence,
    }
    rows |= _cost(path, spec)
    return "\n".join(f"  {key:<11} {value}" for key, value in rows.items())


def _cost(path: Path, spec: ModelSpec) -> dict[str, str]:
    """Tell what a model's precision costs, as its exporter wrote beside it; nothing if it did not.

    ``m.onnx`` and ``m.npz`` would have the same report, which is of one of them.
    """
    report = path.with_suffix(".accuracy.json")
    try:
        told = json.loads(report.read_text(encoding="utf-8"))
        if (told["engine"], told["precision"]) != (spec.engine, spec.precision):
            return {}
        return {"mean F1": f"{told['mean_f1']:.4f}, fp32 {told['mean_f1_fp32']:.4f}"}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        return {"mean F1": f"not known: {report} cannot be read ({error}): copy or export it again"}
