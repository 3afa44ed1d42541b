"""The subject-exclusive folds that the published numbers on BP4D and DISFA are made with.

Three parts of each corpus, as the lists say that come with JÂA-Net (Shao et al., IJCV 2021;
``data/list/{BP4D,DISFA}_part{1,2,3}_path.txt`` of its repository ZhiwenShao/PyTorch-JAANet, commit
9a0cedc). LGRNet uses the same three (section IV-A), ME-GraphAU the same subjects. A network is
trained on two parts and tested on the third:

====  ==============  =========
fold  trained on      tested on
====  ==============  =========
1     part 1, part 2  part 3
2     part 1, part 3  part 2
3     part 2, part 3  part 1
====  ==============  =========

Subjects have their corpus's names: F001 to F023 and M001 to M018 in BP4D, SN001 to SN032 with gaps
in DISFA. A prepared corpus has one split a subject, of that name; the label arrays hold numbers,
see :func:`subject_number`.
"""

import re

FOLDS: tuple[int, ...] = (1, 2, 3)
"""The numbers of the folds."""

_TESTED = {1: 3, 2: 2, 3: 1}  # fold → part

_PARTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "bp4d": (
        (
            *("F001", "F002", "F008", "F009", "F010", "F016", "F018", "F023"),
            *("M001", "M004", "M007", "M008", "M012", "M014"),
        ),
        (
            *("F003", "F005", "F011", "F013", "F020", "F022"),
            *("M002", "M005", "M010", "M011", "M013", "M016", "M017", "M018"),
        ),
        (
            *("F004", "F006", "F007", "F012", "F014", "F015", "F017", "F019", "F021"),
            *("M003", "M006", "M009", "M015"),
        ),
    ),
    "disfa": (
        ("SN001", "SN002", "SN009", "SN010", "SN016", "SN026", "SN027", "SN030", "SN032"),
        ("SN006", "SN011", "SN012", "SN013", "SN018", "SN021", "SN024", "SN028", "SN031"),
        ("SN003", "SN004", "SN005", "SN007", "SN008", "SN017", "SN023", "SN025", "SN029"),
    ),
}

_DISFA_FRAMES = 4845  # of a video

PUBLISHED_FRAMES: dict[str, dict[str, int]] = {
    "bp4d": {
        **{"F001": 3934, "F002": 3937, "F003": 3700, "F004": 3737, "F005": 3915, "F006": 3576},
        **{"F007": 3573, "F008": 3695, "F009": 3297, "F010": 3266, "F011": 3732, "F012": 3543},
        **{"F013": 3434, "F014": 3490, "F015": 3451, "F016": 3510, "F017": 3692, "F018": 3525},
        **{"F019": 3489, "F020": 3646, "F021": 3442, "F022": 3593, "F023": 3696, "M001": 4153},
        **{"M002": 3833, "M003": 3301, "M004": 3521, "M005": 3271, "M006": 3572, "M007": 3684},
        **{"M008": 3291, "M009": 3279, "M010": 3282, "M011": 3469, "M012": 3609, "M013": 3613},
        **{"M014": 3483, "M015": 3664, "M016": 3648, "M017": 3542, "M018": 3488},
    },
    "disfa": dict.fromkeys((name for part in _PARTS["disfa"] for name in part), _DISFA_FRAMES)
    | {
        **{"SN001": 4768, "SN002": 4818, "SN009": 4737, "SN010": 4844, "SN027": 4763},
        **{"SN030": 4708, "SN006": 4788, "SN011": 4824, "SN021": 1793, "SN028": 4714},
        **{"SN004": 4830, "SN023": 4423, "SN025": 4758, "SN029": 4391},
    },
}
"""How many frames of each subject are in JÂA-Net's lists, to compare one's own preparation with."""

CORPORA: tuple[str, ...] = tuple(_PARTS)
"""The corpora that have published folds."""

_NAME = {"bp4d": re.compile(r"[FM]\d{3}"), "disfa": re.compile(r"SN\d{3}")}
_MALE = 100  # added to the numbers of BP4D's men


def parts(corpus: str) -> tuple[tuple[str, ...], ...]:
    """Return the three parts of a corpus, as published.

    Args:
        corpus: ``"bp4d"`` or ``"disfa"``.

    Returns:
        Parts 1, 2 and 3, each the names of its subjects in ascending order.

    Raises:
        ValueError: No such corpus.
    """
    if corpus not in _PARTS:
        raise ValueError(f"corpus {corpus!r} has no published folds, only {', '.join(CORPORA)}")
    return _PARTS[corpus]


def subjects(corpus: str) -> tuple[str, ...]:
    """Return the names of all subjects of a corpus, ascending.

    Raises:
        ValueError: No such corpus.
    """
    return tuple(sorted(name for part in parts(corpus) for name in part))


def folds(corpus: str) -> tuple[tuple[str, ...], ...]:
    """Return whom folds 1, 2 and 3 are tested on.

    Raises:
        ValueError: No such corpus.
    """
    return tuple(test_subjects(corpus, fold) for fold in FOLDS)


def test_subjects(corpus: str, fold: int) -> tuple[str, ...]:
    """Return whom a fold is tested on.

    Args:
        corpus: ``"bp4d"`` or ``"disfa"``.
        fold: 1, 2 or 3.

    Returns:
        Names, ascending.

    Raises:
        ValueError: No such corpus or fold.
    """
    return parts(corpus)[_tested(fold) - 1]


# Its name is no test's. Functions have no such attribute, but for pytest.
test_subjects.__test__ = False  # type: ignore[attr-defined]


def train_subjects(corpus: str, fold: int) -> tuple[str, ...]:
    """Return whom a fold is trained on: all who are not in :func:`test_subjects`, ascending.

    Raises:
        ValueError: No such corpus or fold.
    """
    held_out = set(test_subjects(corpus, fold))
    return tuple(name for name in subjects(corpus) if name not in held_out)


def subject_number(corpus: str, name: str) -> int:
    """Turn a subject's name into the number that stands in label arrays.

    DISFA's SN012 is 12; BP4D's women F001 to F023 are 1 to 23, its men M001 to M018 101 to 118.
    The name need not be in a fold (BP4D+ goes on from F024).

    Raises:
        ValueError: No such corpus, or it has no such names.
    """
    parts(corpus)
    if not _NAME[corpus].fullmatch(name):
        raise ValueError(
            f"{name!r} is no subject of {corpus}: names are like {subjects(corpus)[0]}"
        )
    return int(name[-3:]) + (_MALE if name[0] == "M" else 0)


def _tested(fold: int) -> int:
    if fold not in _TESTED:
        raise ValueError(f"fold must be 1, 2 or 3, got {fold!r}")
    return _TESTED[fold]
