"""The index of a prepared corpus, ``index.parquet``: a row a face, for pandas, DuckDB or R.

==========================  ==================================================================
``subject``                 name, F001 or SN001
``task``                    T1 to T8; empty in DISFA
``frame``                   the frame's number in the label files
``shard``, ``row``          where the face is: row of ``<shard>.faces.npy``
``landmarks_found``         whether the corpus has no landmarks of the frame and the detector found
                            them
``AU01_c`` …                1 present, 0 absent, null unknown
``AU01_r`` …                intensity on FACS's scale, 0 to 5, null unknown
==========================  ==================================================================

The rows are in the order in which :class:`lgrnet.data.shards.FaceShards` reads all subjects.
"""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np

from lgrnet.corpora.writing import read_frames
from lgrnet.data.shards import MISSING, read_labels
from runtime.action_units import MAX_INTENSITY, au_key
from runtime.files.atomic import PendingFile
from runtime.installed import how_to_install

NAME = "index.parquet"


def require_pyarrow() -> ModuleType:
    """Return pyarrow.

    Raises:
        ImportError: It is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError(
            f"the index is written with pyarrow: {how_to_install('corpora')}"
        ) from error
    return pyarrow


def write_parquet(out: Path, aus: Sequence[int], shards: Sequence[tuple[str, str]]) -> None:
    """Write the index of a data set whose shards are all there.

    Args:
        out: Its folder.
        aus: FACS numbers of the label columns.
        shards: Subject and name of each shard, in order.

    Raises:
        DatasetError: A shard's labels are damaged.
        ImportError: pyarrow is not installed.
    """
    pyarrow = require_pyarrow()
    parts = []
    for subject, shard in shards:
        listed = read_frames(out, shard)
        labels = read_labels(out / f"{shard}.labels.npz", len(aus))
        presence, intensity = labels["presence"], labels["intensity"]
        count = len(listed["frames"])
        columns: dict[str, object] = {
            "subject": pyarrow.array([subject] * count, pyarrow.string()),
            "task": pyarrow.array([listed["task"]] * count, pyarrow.string()),
            "frame": pyarrow.array(listed["frames"], pyarrow.int32()),
            "shard": pyarrow.array([shard] * count, pyarrow.string()),
            "row": pyarrow.array(np.arange(count), pyarrow.int32()),
            "landmarks_found": pyarrow.array(
                np.isin(listed["frames"], listed["found"]), pyarrow.bool_()
            ),
        }
        for column, au in enumerate(aus):
            columns[f"{au_key(au)}_c"] = pyarrow.array(
                presence[:, column].astype(np.int8), mask=presence[:, column] == MISSING
            )
        for column, au in enumerate(aus):
            strength = MAX_INTENSITY * intensity[:, column]
            columns[f"{au_key(au)}_r"] = pyarrow.array(
                strength.astype(np.float32), mask=np.isnan(strength)
            )
        parts.append(pyarrow.table(columns))
    with PendingFile(out / NAME) as path:
        pyarrow.parquet.write_table(pyarrow.concat_tables(parts), path)
