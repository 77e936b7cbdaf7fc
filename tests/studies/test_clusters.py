"""The sums that a result keeps: of people, of labelled frames, of decisions at the thresholds."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from kaffect.data.prepared.records import Scoring
from kaffect.errors import DatasetError
from kaffect.metrics import interval_of
from kaffect.studies.clusters import sums_of_answers
from kaffect.studies.stored_sums import counted, intervals_of, parse_sums, sums_for_metric

# Two videos of one person, one of another, one of a person not known; frames of each.
TRACKS, PERSONS, LENGTHS = ("v1", "v2", "v3", "v4"), ("eve", "eve", "ada", ""), (20, 12, 30, 8)


@pytest.fixture()
def split() -> SimpleNamespace:
    """Index, answers and labels of 70 frames, of which every row of 2 is annotated."""
    generator = np.random.default_rng(0)
    count = sum(LENGTHS)
    scoring = Scoring(
        valence_arousal=generator.uniform(-1, 1, (count, 2)).astype(np.float32),
        va_valid=generator.random(count) < 0.8,
        expression=generator.integers(0, 5, count).astype(np.int32),
        expression_valid=generator.random(count) < 0.8,
        action_units=generator.integers(0, 2, (count, 3)).astype(np.int8),
        au_valid=np.repeat([True, True, False, True], LENGTHS),
        row=np.arange(count) * 2 + 4,
        track=np.repeat(np.arange(4), LENGTHS).astype(np.int32),
        source_frame=np.zeros(count, np.int32),
        time=np.zeros(count, np.float32),
    )
    described = [{"subject": person} for person in PERSONS]
    index = SimpleNamespace(
        name="test",
        tracks=TRACKS,
        rows=np.arange(2 * count + 4),
        scoring=lambda: scoring,
        data=SimpleNamespace(fps=30.0, manifest={"splits": {"test": {"tracks": described}}}),
    )
    answers = {
        "valence_arousal": generator.uniform(-1, 1, (2 * count + 4, 2)).astype(np.float32),
        "expression_logits": generator.normal(0, 1, (2 * count + 4, 5)),
        "action_unit_logits": generator.normal(0, 1, (2 * count + 4, 3)),
    }
    return SimpleNamespace(index=index, answers=answers, scoring=scoring)


CUTS = np.array([0.5, -0.5, 0.0])


def test_the_sums_are_of_people_and_give_the_scores(split) -> None:
    labels, row = split.scoring, split.scoring.row
    tasks = ("va", "expression", "au")
    sums = parse_sums(sums_of_answers(split.index, split.answers, tasks, CUTS))
    assert sums["va"].clusters == sums["expression"].clusters == ("ada", "eve", "track v4")
    assert sums["au"].clusters == ("eve", "track v4")
    known = np.repeat(PERSONS, LENGTHS)
    frames = [np.sum(labels.va_valid & (known == name)) for name in ("ada", "eve", "")]
    np.testing.assert_array_equal(sums["va"].frames, frames)

    def score(metric: str) -> float:
        return interval_of(*sums_for_metric(sums, metric)).estimate

    valid = labels.va_valid
    x, y = labels.valence_arousal[valid, 1], split.answers["valence_arousal"][row][valid, 1]
    (xx, xy), (_, yy) = np.cov(x, y, bias=True)
    assert score("ccc_arousal") == pytest.approx(2 * xy / (xx + yy + (x.mean() - y.mean()) ** 2))
    assert score("mse_arousal") == pytest.approx(np.mean((x - y) ** 2, dtype=float), rel=1e-6)
    valid = labels.expression_valid
    said = split.answers["expression_logits"][row][valid].argmax(axis=1)
    assert score("accuracy") == pytest.approx(accuracy_score(labels.expression[valid], said))
    wanted = f1_score(labels.expression[valid], said, average="macro")
    assert score("f1_macro") == score("p_expr") == pytest.approx(wanted)
    valid = labels.au_valid
    present = split.answers["action_unit_logits"][row][valid] > CUTS
    wanted = f1_score(labels.action_units[valid], present, average="macro")
    assert score("au_f1_macro") == pytest.approx(wanted)


def test_tasks_and_labels_are_those_asked_for(split) -> None:
    nothing = np.zeros(len(split.scoring), bool)
    labels = replace(split.scoring, va_valid=nothing, expression=split.scoring.expression // 2)
    found = sums_of_answers(split.index, split.answers, ("va", "expression"), 0.0, labels)
    assert list(found) == ["expression"]
    labelled = np.array(found["expression"]["values"])[:, :, 1].sum(axis=0)
    valid = labels.expression_valid
    np.testing.assert_array_equal(labelled, np.bincount(labels.expression[valid], minlength=5))


def test_one_person_has_no_interval(split) -> None:
    for described in split.index.data.manifest["splits"]["test"]["tracks"]:
        described["subject"] = "eve"
    sums = parse_sums(sums_of_answers(split.index, split.answers, ("va",), 0.0))
    assert counted(sums["va"].clusters) == "1 person"
    assert intervals_of(["ccc_valence", "score"], sums) == {}


def test_single_pictures_stand_alone(split) -> None:
    split.index.data.fps = None
    sums = parse_sums(sums_of_answers(split.index, split.answers, ("va",), 0.0))
    labelled = int(split.scoring.va_valid.sum())
    assert counted(sums["va"].clusters) == f"{labelled} pictures"


@pytest.mark.parametrize("stored", [[], {"x": {}}, {"va": []}, {"va": {"kind": "units"}}])
def test_what_are_no_sums_is_refused(stored) -> None:
    with pytest.raises(DatasetError, match="Stored sums"):
        parse_sums(stored)


def test_sums_of_another_kind_or_without_names_are_refused(split) -> None:
    stored = sums_of_answers(split.index, split.answers, ("va", "au"), 0.0)
    for wrong in (
        {"va": stored["au"]},
        {"au": {**stored["au"], "clusters": ["eve", "eve"]}},
        {"au": {**stored["au"], "clusters": ["eve", 2]}},
        {"va": {**stored["va"], "values": [[v[0]] for v in stored["va"]["values"]]}},
    ):
        with pytest.raises(DatasetError, match="Stored sums"):
            parse_sums(wrong)
