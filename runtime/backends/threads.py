"""How many threads suit this process.

A network gains from one thread a physical core: two hyperthreads of a core share its arithmetic,
and threads beyond what a container may use wait for each other. Linux says both in files, macOS and
Windows the cores only (`runtime.backends.cores`). The files are

* ``/sys/devices/system/cpu/cpu*/topology/thread_siblings_list`` for cores;
* ``cpu.max`` (cgroup v2) or ``cpu.cfs_quota_us`` and ``cpu.cfs_period_us`` (v1) for quotas, see
  https://docs.kernel.org/admin-guide/cgroup-v2.html.
"""

import os
from collections.abc import Iterator, Set
from pathlib import Path, PurePosixPath

from runtime.backends.cores import counted_cores

SYSTEM_CPUS = Path("/sys/devices/system/cpu")
CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")


def default_threads() -> int:
    """Choose the threads of a network: one a physical core that this process may use.

    Returns:
        Physical cores among those that the process is bound to, but no more than the CPU quota of
        its control groups; all of the machine on macOS and Windows; where the system does not
        tell, its CPUs. At least 1.
    """
    if not hasattr(os, "sched_getaffinity"):
        return counted_cores() or os.cpu_count() or 1
    cores = physical_cores(os.sched_getaffinity(0))
    quota = cpu_quota()
    # Rounded down: with more threads than quota, the kernel stops them all in the middle of a frame
    # for the rest of its period, up to 100 ms.
    return max(1, cores if quota is None else min(cores, int(quota)))


def physical_cores(cpus: Set[int], system: Path = SYSTEM_CPUS) -> int:
    """Count the physical cores behind some CPUs.

    Args:
        cpus: Numbers of logical CPUs, such as a process may use.
        system: The kernel's folder of CPUs.

    Returns:
        How many cores have at least one of these CPUs; a CPU whose siblings are not told counts
        as a core.
    """
    cores = set()
    for cpu in cpus:
        try:
            text = (system / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text("utf-8")
            siblings = _numbers(text)
        except (OSError, ValueError):
            siblings = set()
        cores.add(frozenset(siblings | {cpu}))
    return len(cores)


def cpu_quota(root: Path = CGROUPS, membership: Path = OWN_CGROUPS) -> float | None:
    """Read how much CPU time the control groups of this process allow.

    Args:
        root: Where the control groups are mounted.
        membership: The kernel's list of the groups that the process is in.

    Returns:
        CPUs, such as 1.5: the smallest quota of all groups from the process's own to the root, in
        both versions of control groups; None where nothing is limited. A file that is missing or
        not of the known form limits nothing.
    """
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    quotas = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            quotas += [_quota_v2(folder) for folder in _upwards(root, path)]
        elif "cpu" in controllers.split(","):
            quotas += [_quota_v1(folder) for folder in _upwards(root / controllers, path)]
            quotas += [_quota_v1(folder) for folder in _upwards(root / "cpu", path)]
    return min((quota for quota in quotas if quota is not None), default=None)


def _upwards(mount: Path, path: str) -> Iterator[Path]:
    """The folder of a group and of all above it; inside containers only the mount may be there."""
    parts = PurePosixPath(path).parts[1:]
    if ".." in parts:  # a group outside of what the container sees
        parts = ()
    for length in range(len(parts), -1, -1):
        yield mount.joinpath(*parts[:length])


def _quota_v2(folder: Path) -> float | None:
    try:
        quota, period = (folder / "cpu.max").read_text("utf-8").split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _quota_v1(folder: Path) -> float | None:
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text("utf-8"))
        period = int((folder / "cpu.cfs_period_us").read_text("utf-8"))
        return None if quota < 0 else quota / period
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _numbers(text: str) -> set[int]:
    """Read the kernel's lists, such as ``0-1,64``."""
    numbers: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return numbers
