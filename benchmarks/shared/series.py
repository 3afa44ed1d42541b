"""Benchmarks that train a series of networks first: how each is trained, and their command line."""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def train_network(config: Path, settings: Mapping[str, object], threads: int) -> None:
    """Train a network in a process of its own; a run that was interrupted goes on.

    Args:
        config: The experiment.
        settings: What is other than there: name, as of ``--set``, → plain value.
        threads: CPU threads.

    Raises:
        subprocess.CalledProcessError: The training failed; it has said why.
    """
    sets = [f"--set={key}={json.dumps(value)}" for key, value in settings.items()]
    command = [sys.executable, "-m", "lgrnet.train", str(config), *sets]
    subprocess.run([*command, "--threads", str(threads)], check=True)


def run_command(args: argparse.Namespace) -> int:
    """Run the command that was chosen, ``args.run``; returns the exit code."""
    try:
        args.run(args)
    except (ImportError, ValueError, OSError, subprocess.CalledProcessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0
