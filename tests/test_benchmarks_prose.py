"""Figures that the documents give in sentences, beside the tables that `benchmarks.card` fills."""

import json
import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
AUS = {1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 24, 25, 26, 28, 43}


def said(document: str, pattern: str) -> tuple[str, ...]:
    """Return the groups of the one place where a document says that, however it is wrapped."""
    text = " ".join((ROOT / document).read_text("utf-8").split())
    (found,) = re.finditer(pattern, text)
    return found.groups()


def record(path: str) -> dict:
    return json.loads((ROOT / path).read_text("utf-8"))


def test_mean_of_the_aus_of_disfa():
    aus = record("docs/evaluation_edge.json")["aus"]
    f1 = [aus[f"AU{au:02d}"]["f1_at_threshold"] for au in (1, 2, 4, 6, 9, 12, 25, 26)]
    (mean,) = said("MODEL_CARD.md", r"DISFA's 8 AUs the mean at the thresholds is (\d\.\d+)")
    assert mean == f"{sum(f1) / 8:.3f}"


def test_share_of_aus_of_strength_b():
    aus = record("docs/evaluation_edge.json")["aus"].values()
    frames = [au["strength"]["frames"] for au in aus]  # none, A, B to E
    share = sum(each[2] for each in frames) / sum(sum(each[2:]) for each in frames)
    (percent,) = said("MODEL_CARD.md", r"Only (\d+) % of the AUs that are present have strength B")
    assert percent == f"{100 * share:.0f}"


def test_people_in_the_photographs():
    stills = tomllib.loads((ROOT / "benchmarks/stills.toml").read_text("utf-8"))["still"]
    faces = Counter(still["person"] for still in stills)
    (most,) = said("MODEL_CARD.md", r"of two people there are (\d+) each")
    assert [count for _, count in faces.most_common(3)] == [int(most), int(most), 11]

    shown = Counter(au for au, _ in {(au, s["person"]) for s in stills for au in s["shows"]})
    often, third = said(
        "MODEL_CARD.md",
        r"AU ([\d, and]+) are detected in most people who show them, AU (\d+) in a third; "
        r"fewer than five people show any of the others",
    )
    named = {int(au) for au in (*re.findall(r"\d+", often), third)}
    assert min(shown[au] for au in named) >= 5
    assert max(shown[au] for au in AUS - named) < 5


@pytest.mark.parametrize("document", ["docs/live.md", "docs/switching.md"])
def test_growth_of_parquet(document):
    kinds = record("benchmarks/results/writing.json")["kinds"]
    (growth,) = [each["growth_bytes_a_row"] for each in kinds if each["kind"] == "parquet"]
    (told,) = said(document, r"[Tt]hat of Parquet,?(?: grows)? by some (\d+) bytes a row")
    assert int(told) == round(growth)


@pytest.mark.parametrize("record_name", ["zen3_2_cores", "zen3_2_cores_2", "zen4_2_cores"])
def test_unsteady_turns_are_told(record_name):
    measured = record(f"benchmarks/results/amd_epyc_{record_name}.json")
    warnings = [
        said for each in measured["networks"] + measured["pipelines"] for said in each["warnings"]
    ]
    turns = re.findall(r"the turns of .* differ by (\d+) %", "\n".join(warnings))
    text = (ROOT / "docs/speed.md").read_text("utf-8")
    name = "Zen 3" if "zen3" in record_name else "Zen 4"
    (section,) = re.findall(
        rf"^## AMD EPYC, {name}\n(.*?)<!-- table", text, re.DOTALL | re.MULTILINE
    )
    assert turns
    assert set(turns) <= set(re.findall(r"(\d+)(?= %| and \d+ %)", section))


def test_tracking_is_held_out_by_the_seed_that_was_measured():
    seed = str(record("benchmarks/results/tracking_held_out.json")["seed"])
    held_out = r"`--seed (\d+)`, `benchmarks/results/tracking_held_out.json`"
    assert said("docs/live.md", held_out) == (seed,)
    command = r"--seed (\d+) \\ --json benchmarks/results/tracking_held_out.json"
    assert said("CONTRIBUTING.md", command) == (seed,)
    (tuned,) = said("docs/live.md", r"others of the same scenes \(seeds ([\d, ]+)")
    assert seed not in tuned.split(", ")


def test_the_long_run_is_of_the_model_that_was_measured():
    (model,) = said("CONTRIBUTING.md", r"benchmarks.soak --minutes 30 --model edge-(\w+) --json")
    assert f", {model} " in record("benchmarks/results/soak.json")["detector"]
