"""What the report draws of a row and says of its splits, against NumPy and scikit-learn."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score

from kaffect.data.prepared.records import PreparedData
from kaffect.errors import DatasetError
from kaffect.studies.details import details_of, plane
from kaffect.studies.environment import environment
from kaffect.studies.split_facts import require_apart, split_facts, split_hash
from tests.studies.test_clusters import CUTS, TRACKS, split  # noqa: F401 - a fixture


def test_details_are_those_of_the_frames(split: SimpleNamespace) -> None:  # noqa: F811
    space = SimpleNamespace(expressions=tuple("abcde"), action_units=("AU1", "AU2", "AU4"))
    split.index.data.label_space = space
    labels, row, answers = split.scoring, split.scoring.row, split.answers
    found = details_of(split.index, answers, ("va", "expression", "au"), CUTS)
    valid = labels.expression_valid
    said = answers["expression_logits"][row][valid].argmax(axis=1)
    oracle = confusion_matrix(labels.expression[valid], said, labels=range(5))
    assert found["expression"]["matrix"] == oracle.tolist()
    valid = labels.au_valid
    present = answers["action_unit_logits"][row][valid] >= CUTS
    oracle = f1_score(labels.action_units[valid], present, average=None)
    assert found["au"]["f1"] == pytest.approx(oracle.tolist(), abs=1e-5)
    assert found["au"]["frames"] == labels.action_units[valid].sum(axis=0).tolist()
    videos = {video["video"]: video for video in found["va"]["videos"]}
    assert tuple(videos) == TRACKS
    own = labels.va_valid & (labels.track == 2)
    x, y = labels.valence_arousal[own, 1], answers["valence_arousal"][row][own, 1]
    (xx, xy), (_, yy) = np.cov(x.astype(float), y.astype(float), bias=True)
    expected = 2 * xy / (xx + yy + (x.mean() - y.mean()) ** 2)
    assert videos["v3"]["ccc"][1] == pytest.approx(expected, abs=1e-5)
    assert videos["v3"]["frames"] == own.sum()


def test_the_plane_is_a_histogram() -> None:
    values = np.random.default_rng(1).uniform(-1, 1, (500, 2))
    oracle, _, _ = np.histogram2d(*values.T, bins=20, range=[(-1, 1), (-1, 1)])
    assert (plane(values) == oracle).all()
    assert plane(np.array([[1.0, -1.0], [1.2, -1.2]]))[19, 0] == 2, "what lies outside counts too"


def test_a_split_is_named_by_its_frames(prepared: Path) -> None:
    data = PreparedData.open(prepared)
    train, test = data.split("train"), data.split("test")
    hashes = {split_hash(train), split_hash(test), split_hash(train.with_rows(train.rows[1:]))}
    assert len(hashes) == 3
    assert split_hash(PreparedData.open(prepared).split("train")) == split_hash(train)
    facts = split_facts(train)
    assert facts["frames"] == len(train) and facts["annotated"] == len(train.scoring())
    assert np.sum(facts["plane"]) == train.scoring().va_valid.sum()


def test_a_person_in_two_sets_is_rejected() -> None:
    splits = {"train": {"people": ["a", "b"]}, "test": {"people": ["c"]}}
    require_apart({"name": "mine", "splits": splits})
    splits["test"]["people"].append("a")
    with pytest.raises(DatasetError, match="mine: a: in the sets test and train"):
        require_apart({"name": "mine", "splits": splits})


def test_the_environment_names_processor_and_versions(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("processor : 0\nmodel name\t: Some Processor 9\nmodel name : other\n")
    found = environment(info)
    assert found["processor"] == "Some Processor 9"
    assert found["numpy"] == np.__version__ and int(found["threads"]) >= 1
