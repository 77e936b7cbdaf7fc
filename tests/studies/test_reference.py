"""The paper's figures as typed: sums, agreement between tables, and each entry of ERRATA.md."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kaffect.config import CONFIGURATIONS, RecognitionConfig
from kaffect.config.preparation import DEFAULT_DETECTOR
from kaffect.curation.merging import MergeSettings
from kaffect.faces.tracker import TrackerConfig
from kaffect.labels import ACTION_UNITS_8
from kaffect.losses import Heads, ccc_loss, class_target
from kaffect.losses.va import EPSILON
from kaffect.metrics import ccc
from kaffect.studies import recognition, reference
from kaffect.studies.finding import find_trained
from kaffect.studies.gan.watch import COLLAPSE_SHARE, REAL_SHARE
from kaffect.studies.recognition.start import with_weights
from kaffect.studies.recognition.study import FEWEST, MOST
from kaffect.training.gan import FIRST_SCALE
from kaffect.training.loss_scaling import MOST_SKIPPED
from kaffect.training.pretraining import frame_schedule
from tests.published_weights import write_vggface

FACTS = {name: fact.value for name, fact in reference.facts().items()}
FOLDER = reference.FOLDER
# Columns of the typed tables that are settings.
SETTINGS = {
    "va_loss": "loss.va",
    "expression_loss": "loss.expression",
    "learning_rate": "train.learning_rate",
    "alpha": "loss.va_weight",
    "beta": "loss.expression_weight",
}


@dataclass(frozen=True)
class Printed:
    """One row of a table as the paper prints it, with settings by our names."""

    row: int
    settings: dict[str, Any]
    metrics: dict[str, float]
    source: str


def rows(table: str) -> list[Printed]:
    """The typed file of a table, read without the code that is tested."""
    with open(FOLDER / f"table_{table.lower()}.csv", encoding="utf-8", newline="") as handle:
        return [_printed(record) for record in csv.DictReader(handle)]


def _printed(record: dict[str, str]) -> Printed:
    settings: dict[str, Any] = {
        ours: record[name] if name.endswith("loss") else float(record[name])
        for name, ours in SETTINGS.items()
        if record.get(name)
    }
    if "tasks" in record:
        settings["loss.tasks"] = record["tasks"].split("+")
    names = (n for n in record if n not in (*SETTINGS, "row", "tasks", "source"))
    metrics = {name: float(record[name]) for name in names if record[name]}
    return Printed(int(record["row"]), settings, metrics, record["source"])


def column(table: str, metric: str) -> list[float]:
    return [row.metrics[metric] for row in rows(table) if metric in row.metrics]


# --- the tables --------------------------------------------------------------------------------


def test_every_row_is_there_once() -> None:
    assert [row.row for row in rows("IX")] == list(range(1, 6))
    assert [row.row for row in rows("X")] == list(range(1, 8))
    assert [row.row for row in rows("XI")] == list(range(1, 13))
    for table in ("IX", "X", "XI"):
        for row in rows(table):
            assert row.source.startswith(f"Table {table}")
            assert all(0 < value < 1 for value in row.metrics.values())
    settings = [tuple(row.settings.values()) for row in rows("XI")]
    assert len(set(settings)) == 12


def test_checksums_of_the_typed_columns() -> None:
    """Sums of the printed columns, added up from the paper and not from these files."""
    wanted = {
        ("XI", "ccc_valence"): 6.214,
        ("XI", "ccc_arousal"): 5.271,
        ("XI", "accuracy"): 7.119,
        ("XI", "f1_weighted"): 6.886,
        ("XI", "f1_macro"): 5.686,
        ("X", "ccc_valence"): 3.446,
        ("X", "accuracy"): 3.287,
        ("X", "f1_weighted"): 3.243,
        ("X", "f1_macro"): 2.690,
    }
    for (table, metric), total in wanted.items():
        assert sum(column(table, metric)) == pytest.approx(total, abs=1e-9), (table, metric)


def test_best_row_of_table_xi_is_the_middle_row_of_table_x() -> None:
    best = rows("XI")[1]
    assert best.settings == {
        "loss.va": "ccc",
        "loss.expression": "cross_entropy",
        "train.learning_rate": 1e-3,
    }
    same = rows("X")[4]
    assert set(same.settings.values()) == {0.5}
    assert best.metrics == same.metrics
    for metric, value in best.metrics.items():  # Section V-B: best under all criteria
        assert value == max(column("XI", metric)) == max(column("X", metric))


def test_single_task_rows_lack_the_other_task() -> None:
    only_expressions, only_va = rows("X")[:2]
    assert set(only_expressions.metrics) == {"accuracy", "f1_weighted", "f1_macro"}
    assert set(only_va.metrics) == {"ccc_valence", "ccc_arousal"}
    assert [set(row.metrics) >= {"ccc_valence"} for row in rows("IX")] == [
        "va" in row.settings["loss.tasks"] for row in rows("IX")
    ]


@pytest.mark.parametrize("name", ["IX", "X", "XI"])
def test_experiments_run_the_rows_of_the_paper(name: str) -> None:
    """Each row changes what the paper's row names, and nothing else."""
    table = find_trained(name)
    for paper, ours in zip(rows(name), table.rows, strict=True):
        assert paper.settings == ours.changes, ours.label
        assert reference.published_figures(name)[paper.row] == paper.metrics
    assert len({row.label for row in table.rows}) == len(table.rows)


def test_a_table_without_figures() -> None:
    assert reference.published_figures("XII") == {} == reference.published_figures("A5")


def test_splits_add_up() -> None:
    for task, frames in (("au", "au_frames_kept"), ("expression", "expression_frames_kept")):
        parts = [split for split in reference.splits() if split.task == task]
        assert [part.split for part in parts] == ["train", "validation", "test"]
        assert sum(part.videos for part in parts) == FACTS[f"{task}_videos"]
        assert sum(part.frames for part in parts) == FACTS[frames]


def test_table_iii() -> None:
    frames = reference.action_unit_frames()
    assert tuple(frames) == ACTION_UNITS_8
    shares = [round(100 * count / FACTS["au_frames_kept"]) for count in frames.values()]
    assert shares == [24, 14, 22, 27, 25, 4, 5, 10]
    active = FACTS["au_frames_active"]
    assert max(frames.values()) <= active <= sum(frames.values())
    assert active / FACTS["au_frames_kept"] == pytest.approx(0.774, abs=5e-4)


def test_people_add_up() -> None:
    for name in ("affwild", "au", "expression"):
        halves = FACTS[f"{name}_subjects_male"] + FACTS[f"{name}_subjects_female"]
        assert halves == FACTS[f"{name}_subjects"]


# --- ERRATA.md ---------------------------------------------------------------------------------


def test_each_erratum_has_its_test() -> None:
    text = (FOLDER / "ERRATA.md").read_text(encoding="utf-8")
    entries = re.findall(r"^\| ([EN]\d+) \|.*\| `(test_\w+)` \|$", text, re.MULTILINE)
    assert [identity for identity, _ in entries] == [f"E{i}" for i in range(1, 13)] + [
        f"N{i}" for i in range(1, 5)
    ]
    for identity, name in entries:
        assert name.startswith(f"test_{identity.lower()}_")
        assert callable(globals()[name])


@pytest.mark.parametrize("padding, sizes", [("same", [1, 2, 4, 8]), ("valid", [2, 6, 14, 32])])
def test_e1_table_v_padding(padding: str, sizes: list[int]) -> None:
    shape, found = (1, 1, 1, 100), []
    for filters, kernel, stride in ((384, 2, 1), (128, 4, 2), (64, 4, 2), (3, 6, 2)):
        layer = keras.layers.Conv2DTranspose(filters, kernel, stride, padding=padding)
        shape = layer.compute_output_shape(shape)
        found.append(shape[1])
    assert found == sizes


@pytest.mark.parametrize("configuration, times", [(1, 5), (2, 2)])
def test_e2_update_order(configuration: int, times: int) -> None:
    """Over whole cycles, only one of the two readings updates the generator more often."""
    followed = (["discriminator"] + ["generator"] * times) * 3
    literal = (["discriminator"] * times + ["generator"]) * 3
    assert followed.count("generator") > followed.count("discriminator")
    assert not literal.count("generator") > literal.count("discriminator")


def test_e3_f1_headers_of_table_xi() -> None:
    accuracy, weighted, macro = (column("XI", m) for m in ("accuracy", "f1_weighted", "f1_macro"))
    # As in Table X: weighted above unweighted, in every row.
    assert all(w > m for w, m in zip(weighted, macro, strict=True))
    assert all(w > m for w, m in zip(column("X", "f1_weighted"), column("X", "f1_macro")))
    # A weighted F1 follows the accuracy, a macro F1 need not.
    assert np.corrcoef(accuracy, weighted)[0, 1] > 0.9 > 0.6 > np.corrcoef(accuracy, macro)[0, 1]
    assert all(abs(a - w) < 0.06 for a, w in zip(accuracy, weighted, strict=True))


def test_e4_variances_of_eq_5() -> None:
    values = np.array([0.0, 0.1, 0.4, 0.9])
    variance = values.var()
    assert ccc(values, values) == pytest.approx(1.0, rel=1e-12)
    literal = 2 * variance / (variance**2 + variance**2)  # s_x, s_y variances, as worded
    assert abs(literal - 1) > 1


def test_e5_table_ix_has_no_expressions() -> None:
    measured = {metric for row in rows("IX") for metric in row.metrics}
    assert {"au_accuracy", "ccc_valence"} < measured
    assert not measured & {"accuracy", "f1_weighted", "f1_macro"}


def test_e6_joint_ccc_beats_va_only() -> None:
    printed = [(row, row.settings["loss.tasks"]) for row in rows("IX")]
    alone = {row.settings["loss.va"]: row for row, tasks in printed if tasks == ["va"]}
    joint = {row.settings["loss.va"]: row for row, tasks in printed if tasks == ["va", "au"]}
    for metric in ("ccc_valence", "ccc_arousal"):
        assert joint["ccc"].metrics[metric] > alone["ccc"].metrics[metric]
        assert joint["mse"].metrics[metric] < alone["mse"].metrics[metric]


def test_e7_annotated_and_kept_frames() -> None:
    assert FACTS["au_frames_active"] + FACTS["au_frames_inactive_kept"] == FACTS["au_frames_kept"]
    inactive = FACTS["au_frames_annotated"] - FACTS["au_frames_active"]
    assert inactive == 94_702 > FACTS["au_frames_inactive_kept"]
    assert FACTS["expression_frames_kept"] / FACTS["expression_frames_annotated"] < 0.41


def test_e8_hours_of_video() -> None:
    rate = FACTS["frames_per_second"]
    assert FACTS["affwild_frames"] / rate / 3600 == pytest.approx(10.9, abs=0.05)
    assert FACTS["affwild_hours_introduction"] == 2 * FACTS["affwild_hours_section_ii"] == 60
    for part in ("au", "expression"):
        assert FACTS[f"{part}_minutes"] * 60 * rate == FACTS[f"{part}_frames_annotated"]


def test_e9_one_expression_per_frame() -> None:
    """What is drawn as a softmax cannot give two classes to a frame; sigmoids can."""
    logits = np.array([[3.0, 3.0, -3.0]])
    assert (keras.ops.softmax(logits) > 0.5).numpy().sum() == 0
    assert (keras.ops.sigmoid(logits) > 0.5).numpy().sum() == 2


def test_e10_eleven_outputs() -> None:
    assert Heads().outputs == 2 + len(ACTION_UNITS_8) + 1 == 11
    assert set(Heads().split(np.zeros((1, 11)))) == {"valence_arousal", "action_units", "fake"}


def test_e11_ccc_of_fake_images() -> None:
    predictions = tf.Variable(np.random.default_rng(0).normal(size=(64, 2)))
    with tf.GradientTape() as tape:
        loss = ccc_loss(np.full((64, 2), class_target(Heads())), predictions)
    assert loss == 1.0
    assert not tape.gradient(loss, predictions).numpy().any()


def test_e12_f1_is_reported_for_expressions() -> None:
    assert len(column("XI", "f1_weighted")) == len(column("XI", "f1_macro")) == 12


def test_n1_noise_of_table_x() -> None:
    same = [r for r in rows("X") if len(set(r.settings.values())) == 1]
    assert len(same) == 3
    wanted = {"ccc_valence": 0.095, "ccc_arousal": 0.154, "accuracy": 0.132}
    for metric, spread in wanted.items():
        values = [row.metrics[metric] for row in same]
        assert max(values) - min(values) == pytest.approx(spread, abs=1e-9)


def test_n2_constant_action_units() -> None:
    shares = np.array(list(reference.action_unit_frames().values())) / FACTS["au_frames_kept"]
    assert 1 - shares.mean() == pytest.approx(0.836, abs=5e-4)
    assert 1 - shares.mean() > max(column("IX", "au_accuracy"))
    assert np.mean(2 * shares / (1 + shares)) == pytest.approx(0.27, abs=0.005)


def test_n3_joint_rows_below_single_tasks() -> None:
    found = {tuple(r.settings.values()): r.metrics for r in rows("X")}
    for metric in ("ccc_valence", "ccc_arousal"):
        assert found[1, 1][metric] < found[1, 0][metric] < found[0.5, 0.5][metric]
    assert found[0.25, 0.75]["ccc_valence"] < found[1, 0]["ccc_valence"]


def test_n4_subjects_and_videos() -> None:
    assert FACTS["expression_subjects"] > FACTS["expression_videos"]


# --- DECISIONS.md ------------------------------------------------------------------------------


# What the paper says itself, or what is no choice of an experiment: not in DECISIONS.md.
STATED = {
    "recognition": {
        "data.image_size",
        "data.partition",
        "data.sequence_length",
        "data.sequences",
        "loss.expression",
        "loss.expression_weight",
        "loss.va",
        "loss.va_weight",
        "model.attention_length",
        "model.implementation",
        "model.jit_compile",
        "pretrain.batch",
        "pretrain.evaluate_every",
        "start.content",
        "start.run",
        "train.learning_rate",
        "train.seed",
    },
    "gan": {
        "data.batch",
        "loss.tasks",
        "loss.va",
        "model.configuration",
        "model.kernel",
        "model.width",
        "quality.faces",
        "quality.feature_steps",
        "start.content",
        "start.run",
        "train.beta_1",
        "train.beta_2",
        "train.discriminator_rate",
        "train.generator_rate",
        "train.seed",
    },
}


def decisions() -> list[list[str]]:
    """The rows of DECISIONS.md: point, setting, default, option, source."""
    text = (FOLDER / "DECISIONS.md").read_text(encoding="utf-8")
    lines = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")][2:]
    assert len(lines) > 30 and all(len(line) == 5 for line in lines)
    return lines


def test_decisions_name_real_settings_and_their_defaults() -> None:
    """Of the study that the name begins with ("gan: train.ema"), else of recognition."""
    named: dict[str, set[str]] = {"recognition": set(), "gan": set()}
    for _, setting, default, _, _ in decisions():
        names = re.findall(r"`(?:(gan): )?(\w+\.\w+)`", setting)
        values = re.split(r", (?![^(]*\))", default)  # not within a pair of brackets
        for (study, name), value in zip(names, values, strict=len(names) > 1):
            study = study or "recognition"
            assert str(CONFIGURATIONS[study]().flat()[name]) == value, f"{study} {name}"
            named[study].add(name)
    # The same part in both studies, so that it is named once.
    named["gan"] |= {name for name in named["recognition"] if name.startswith("prepare.")}
    for study, stated in STATED.items():
        assert named[study] | stated == set(CONFIGURATIONS[study]().flat()), study
        assert not named[study] & stated


def test_decisions_print_the_defaults_that_are_no_settings() -> None:
    printed = {point.removeprefix("| "): default for point, _, default, _, _ in decisions()}
    shown = {
        "Concordance loss: smallest denominator": f"{EPSILON:.0e}".replace("e-0", "e-"),
        "Delay of an annotator of valence and arousal": (
            f"corrected, up to {MergeSettings().max_lag} frames"
        ),
        "Correlation below which a pair says nothing about delays": str(
            MergeSettings().min_correlation
        ),
        "First loss scale of the GANs": f"{FIRST_SCALE:.0f}",
        "Frames between two looks of the detector": str(TrackerConfig().detect_every),
        "Face detector of Section III-E": DEFAULT_DETECTOR,
        "Number of runs": str(recognition.STUDY.profiles["paper"].seeds),
    }
    assert {point: printed[point] for point in shown} == shown
    assert f"after {MOST_SKIPPED} in a row" in printed["Updates that overflow in mixed_float16"]
    alarm = printed["Alarm of a collapsed generator"]
    assert f"below {COLLAPSE_SHARE} of" in alarm and f"below {REAL_SHARE} of" in alarm


def test_decisions_tell_what_the_profiles_really_do(tmp_path: Path) -> None:
    by_point = {cells[0].removeprefix("| "): " | ".join(cells) for cells in decisions()}
    demo, smoke = (recognition.STUDY.profiles[name].changes for name in ("demo", "smoke"))
    length = by_point["Length of training"]
    assert f"demo ({demo['train.steps']}) and smoke ({smoke['train.steps']})" in length
    assert demo["train.patience"] == smoke["train.patience"] == 0 and "no early stopping" in length
    assert f"not before {FEWEST} and not after {MOST} updates" in length
    before = by_point["Training of the CNN on single frames first: how long"]
    brought = with_weights(str(write_vggface(tmp_path / "w.h5", 1 / 64)))
    del brought["model.preprocessing"]
    assert f"`--weights` brings {brought['pretrain.epochs']} epochs of at most 1000" in before
    assert f"patience {brought['pretrain.patience']}; the demo profile has " in before
    assert f"{demo['pretrain.steps']} steps, the smoke profile {smoke['pretrain.steps']}" in before
    config = RecognitionConfig().changed(brought)
    assert frame_schedule(config.pretrain, 10**8).steps == 20 * 1000
