"""Each erratum of the second study recomputed; its decisions name real settings."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from sklearn.metrics import f1_score

from kaffect.config import FramewiseConfig
from kaffect.labels import EXPRESSIONS_8
from kaffect.metrics import au_f1_macro, ccc, p_expr
from kaffect.studies.reference import FOLDER, published_figures, study_losses

JOINT = published_figures("A4")[1]
LOSSES = {"expression": JOINT["loss_expr"], "au": JOINT["loss_au"], "va": JOINT["loss_va"]}


def by_epoch(table: str, split: str) -> dict[str, float]:
    return {loss.epoch: loss.value for loss in study_losses(table) if loss.split == split}


def test_the_last_epoch_of_the_joint_network_is_what_table_a4_prints() -> None:
    names = {"expression": "expression", "action_units": "au", "valence_arousal": "va"}
    last = [x for x in study_losses("A4") if (x.split, x.epoch) == ("validation", "10")]
    assert {names[loss.term]: loss.value for loss in last} == LOSSES


def test_each_erratum_has_its_test() -> None:
    text = (FOLDER / "ERRATA_AFFWILD2.md").read_text(encoding="utf-8")
    entries = re.findall(r"^\| (S\d+) \|.*\| `(test_\w+)` \|$", text, re.MULTILINE)
    assert [identity for identity, _ in entries] == [f"S{i}" for i in range(1, 8)]
    for identity, name in entries:
        assert name.startswith(f"test_{identity.lower()}_") and callable(globals()[name])


def test_s1_cross_entropy_and_f1() -> None:
    most_wrong = LOSSES["expression"] / math.log(2)  # argmax elsewhere: p(true) <= 1/2
    assert 1 / most_wrong > 3400
    # All right but that share, with k classes present: macro F1 over eight is nearly k / 8.
    for present, close in ((1, False), (2, True), (3, False), (8, False)):
        true = np.arange(8000) % present
        assert (abs(p_expr(true, true) - JOINT["p_expr"]) < 0.05) == close


def test_s2_mse_and_ccc() -> None:
    spread = LOSSES["va"] / (1 - JOINT["p_va"])  # s_x^2 + s_y^2 + d^2
    assert math.sqrt(spread) < 0.07
    # The identity behind it, on any numbers.
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal(500), rng.standard_normal(500)
    total = x.var() + y.var() + (x.mean() - y.mean()) ** 2
    assert ccc(x, y) == pytest.approx(1 - np.mean((x - y) ** 2) / total)


def test_s3_mse_and_f1_of_units() -> None:
    assert LOSSES["au"] / 0.25 < 0.016
    one = np.zeros((100, 12), int)
    one[:, 6] = 1
    assert au_f1_macro(one, one) == pytest.approx(1 / 12)
    assert abs(1 / 12 - JOINT["p_au"]) < 0.004


def test_s4_a_loss_that_grows() -> None:
    first, last = (by_epoch("A2", "validation")[epoch] for epoch in ("first", "last"))
    assert (first, last) == (0.3907, 0.3924) and last > first


def test_s5_f1_is_a_harmonic_mean() -> None:
    true, pred = [1, 1, 1, 1, 0, 0], [1, 0, 0, 0, 0, 0]
    precision, recall = 1.0, 0.25
    harmonic = 2 * precision * recall / (precision + recall)
    assert f1_score(true, pred) == pytest.approx(harmonic) != (precision + recall) / 2


def test_s6_eight_classes() -> None:
    printed = [name for name in published_figures("A1")[1] if name.startswith("f1_")]
    assert printed == [f"f1_{name.lower()}" for name in EXPRESSIONS_8]
    assert "f1_contempt" not in printed


def test_s7_validation_against_training_loss() -> None:
    train, validation = (by_epoch("A3", split)["10"] for split in ("train", "validation"))
    assert (train, validation) == (0.0516, 0.1239)
    assert validation / train == pytest.approx(2.4, abs=0.01)


def test_decisions_name_real_settings_and_their_defaults() -> None:
    text = (FOLDER / "DECISIONS_AFFWILD2.md").read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 25 and all(len(row) == 5 for row in rows)
    config, checked = FramewiseConfig().to_dict(), 0
    for _, setting, default, _, _ in rows:
        names = re.findall(r"`(\w+)\.(\w+)`", setting)
        for (part, name), value in zip(names, default.split(", "), strict=len(names) > 1):
            assert str(config[part][name]) == value, f"{part}.{name}"
            checked += 1
    assert checked >= 20
