"""Who is trained on, and who judges: a split each, or the people of a fold."""

from collections.abc import Sequence

from lgrnet.corpora.folds import test_subjects, train_subjects
from lgrnet.data.shards import DatasetError, FaceShards, require_corpus
from lgrnet.experiment import DataConfig


def open_data(data: DataConfig, aus: tuple[int, ...]) -> tuple[FaceShards, FaceShards]:
    """Open what is trained on, and what judges each epoch.

    Args:
        data: Where the faces are; of a corpus, the people of a fold.
        aus: The network's AUs.

    Returns:
        Faces for training and for judging, of different people.

    Raises:
        DatasetError: They are not there or incomplete, or somebody is in both.
        ValueError: A corpus is named but no fold.
    """
    train: str | Sequence[str] = data.train
    held_out: str | Sequence[str] = data.val
    if data.corpus is not None:
        if data.fold is None:
            raise ValueError("data.fold: say which fold of the corpus, with --fold 1, 2, 3 or all")
        require_corpus(data.root, data.corpus)
        train = train_subjects(data.corpus, data.fold)
        held_out = test_subjects(data.corpus, data.fold)
    shards = FaceShards(data.root, train, aus, also=data.also)
    judging = FaceShards(data.val_root or data.root, held_out, aus)
    overlap = set(shards.labels.subject.tolist()) & set(judging.labels.subject.tolist())
    if overlap:
        roots = " and ".join(map(str, (data.root, *data.also)))
        raise DatasetError(
            f"{len(overlap)} people are in both {train} of {roots} and {held_out} of "
            f"{data.val_root or data.root}: whom a network is trained on cannot judge it"
        )
    return shards, judging
