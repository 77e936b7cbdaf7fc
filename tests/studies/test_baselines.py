"""The constant predictors by hand, and a probe that finds what is linear and nothing else."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from kaffect.errors import ConfigError
from kaffect.studies import baselines
from kaffect.studies.baselines import LinearProbe, constant_baseline, grey_pixels

# Table III as shares of the 180,000 frames kept (Section II-D).
SHARES = np.array([43948, 25312, 38879, 48185, 45291, 7023, 9270, 17741]) / 180_000


def labels(count: int, seed: int = 0) -> SimpleNamespace:
    generator = np.random.default_rng(seed)
    return SimpleNamespace(
        valence_arousal=generator.uniform(-1, 1, (count, 2)).astype(np.float32),
        va_valid=generator.random(count) < 0.8,
        expression=generator.choice(7, count, p=[0.4] + [0.1] * 6).astype(np.int32),
        expression_valid=generator.random(count) < 0.8,
        action_units=(generator.random((count, 8)) < SHARES).astype(np.int8),
        au_valid=generator.random(count) < 0.8,
    )


def test_constant_predictors() -> None:
    train, test = labels(5000), labels(20_000, seed=1)
    none = constant_baseline(train, test)
    everything = constant_baseline(train, test, units="all")
    assert none["ccc_valence"] == none["ccc_arousal"] == 0.0
    share = np.mean(test.expression[test.expression_valid] == 0)
    assert none["accuracy"] == pytest.approx(share)
    assert none["f1_macro"] == pytest.approx(2 * share / (1 + share) / 7)
    # With the paper's shares of Action Units: F1 of naming every one is the mean of 2p/(1+p).
    assert none["au_f1_macro"] == 0.0
    assert none["au_accuracy"] == pytest.approx(1 - SHARES.mean(), abs=0.01)
    assert none["au_accuracy"] == pytest.approx(0.84, abs=0.01)
    assert everything["au_f1_macro"] == pytest.approx(0.27, abs=0.01)
    assert everything["au_accuracy"] == pytest.approx(SHARES.mean(), abs=0.01)


def test_the_mean_and_the_mode_come_from_the_training_split() -> None:
    train, test = labels(200), labels(200, seed=1)
    test.valence_arousal += 0.5
    test.expression[:] = 3
    found = constant_baseline(train, test)
    mean = train.valence_arousal[train.va_valid].mean(axis=0)
    wanted = np.mean((test.valence_arousal[test.va_valid, 0] - mean[0]) ** 2)
    assert found["mse_valence"] == pytest.approx(wanted, rel=1e-5)
    assert found["accuracy"] == 0.0


def test_tasks_without_labels_are_not_scored() -> None:
    train, test = labels(50), labels(50, seed=1)
    train.au_valid[:] = False
    test.expression_valid[:] = False
    found = constant_baseline(train, test)
    assert "ccc_valence" in found and "accuracy" not in found and "au_accuracy" not in found
    with pytest.raises(ConfigError, match="'all', 'none'.*'some'"):
        constant_baseline(train, test, units="some")


def test_grey_pixels_are_area_means() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 96, 96, 3), dtype=np.uint8)
    luma = images @ np.array([0.299, 0.587, 0.114])
    wanted = luma.reshape(3, 12, 8, 12, 8).mean(axis=(2, 4)) / 255
    np.testing.assert_allclose(grey_pixels(images).reshape(3, 12, 12), wanted, atol=0.006)


def linear_frames(count: int, seed: int):
    """Frames whose valence is the brightness of the left half minus that of the right one."""
    generator = np.random.default_rng(seed)
    halves = generator.integers(40, 216, (count, 2))
    images = np.repeat(halves.astype(np.uint8), 48, axis=1)[:, None, :, None]
    truth = labels(count, seed)
    valence = (halves[:, 0] - halves[:, 1]) / 176
    truth.valence_arousal = np.stack([valence, generator.uniform(-1, 1, count)], axis=1)
    truth.expression = np.digitize(halves[:, 0], [100, 160])
    truth.action_units[:, 0] = halves[:, 1] > 190  # rare, but a threshold finds it
    return np.broadcast_to(images, (count, 96, 96, 3)), truth


def linear_probe(train_images, train, test_images, test, **options) -> dict[str, float]:
    return LinearProbe(grey_pixels(train_images), train, **options).score(
        grey_pixels(test_images), test
    )


def test_probe_finds_the_linear_and_nothing_else() -> None:
    train_images, train = linear_frames(400, 0)
    test_images, test = linear_frames(300, 1)
    found = linear_probe(train_images, train, test_images, test)
    assert found["ccc_valence"] > 0.99
    assert abs(found["ccc_arousal"]) < 0.15
    assert found["accuracy"] > 0.9
    assert found["au_f1_macro"] > 0.1


def test_probe_ignores_masked_frames_and_repeats_itself() -> None:
    train_images, train = linear_frames(400, 0)
    test_images, test = linear_frames(100, 1)
    found = linear_probe(train_images, train, test_images, test, most=200, seed=3)
    train.valence_arousal[~train.va_valid] = -5.0
    train.expression[~train.expression_valid] = -1
    train.action_units[~train.au_valid] = -1
    assert linear_probe(train_images, train, test_images, test, most=200, seed=3) == found
    assert linear_probe(train_images, train, test_images, test, most=200, seed=4) != found


def test_probe_survives_a_unit_that_never_occurs() -> None:
    train_images, train = linear_frames(100, 0)
    train.action_units[:, 5] = 0
    train.expression[:] = 2
    found = linear_probe(train_images, train, *linear_frames(50, 1))
    assert np.isfinite(list(found.values())).all()


def test_probe_answers_as_its_models_do_and_cuts_units_where_validation_says() -> None:
    train_images, train = linear_frames(400, 0)
    other_images, other = linear_frames(300, 1)
    test_images, test = linear_frames(300, 2)
    probe = LinearProbe(grey_pixels(train_images), train)
    valid, rows = other.au_valid, grey_pixels(other_images)
    cuts = probe.thresholds(rows, other)
    logits = probe.unit_logits(grey_pixels(test_images))
    known = train.au_valid
    oracle = make_pipeline(
        StandardScaler(), LogisticRegression(max_iter=300, tol=1e-3, class_weight="balanced")
    ).fit(grey_pixels(train_images)[known], train.action_units[known, 3])
    np.testing.assert_array_equal(
        logits[:, 3] > 0, oracle.predict(grey_pixels(test_images)).astype(bool)
    )
    # No other cut names unit 3 better on the validation frames.
    values = probe.unit_logits(rows[valid])[:, 3]
    every = [f1_score(other.action_units[valid, 3], values > cut) for cut in [-9, *values]]
    chosen = f1_score(other.action_units[valid, 3], values > cuts[3])
    assert chosen == pytest.approx(max(every))
    assert chosen > f1_score(other.action_units[valid, 3], values > 0)
    found = probe.score(grey_pixels(test_images), test, thresholds=cuts)
    half = probe.score(grey_pixels(test_images), test)
    kept = test.au_valid
    wanted = [f1_score(test.action_units[kept, i], logits[kept, i] > cuts[i]) for i in range(8)]
    assert found["au_f1_macro"] == pytest.approx(np.mean(wanted)) != half["au_f1_macro"]
    assert {k: v for k, v in found.items() if not k.startswith("au_")} == {
        k: v for k, v in half.items() if not k.startswith("au_")
    }


class FewFrames:
    """A source whose splits are frames in memory."""

    scored_split, notes = "test", ("a note of the data",)
    prepared = SimpleNamespace(label_space=SimpleNamespace(expressions=tuple("abcdefg")))

    def __init__(self) -> None:
        self.splits = {
            n: linear_frames(40, i) for i, n in enumerate(("train", "validation", "test"))
        }

    def split(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(name=name, scoring=lambda: self.splits[name][1])


def test_there_is_a_probe_for_each_way_to_choose_thresholds(monkeypatch) -> None:
    source = FewFrames()

    def pixels(index, scoring, most=None):
        return grey_pixels(source.splits[index.name][0])

    monkeypatch.setattr(baselines, "baseline_pixels", pixels)
    monkeypatch.setattr(baselines, "part_of", lambda scoring, most: scoring)

    def found(*kinds: str) -> dict:
        records = baselines.baseline_records(source, True, ("constant",), kinds)
        return {record["row"]: record for record in records}

    both = found("half", "validation")
    assert list(both) == ["constant_all_units", "linear_probe", "linear_probe_fitted"]
    fitted, half = both["linear_probe_fitted"], both["linear_probe"]
    assert any("chosen on validation" in note for note in fitted["notes"])
    assert half["notes"] == ["a note of the data"]
    probe = LinearProbe(pixels(source.split("train"), None), source.splits["train"][1])
    cuts = probe.thresholds(
        pixels(source.split("validation"), None), source.splits["validation"][1]
    )
    test = pixels(source.split("test"), None), source.splits["test"][1]
    assert fitted["metrics"] == probe.score(*test, thresholds=cuts) != half["metrics"]
    assert half["metrics"] == probe.score(*test)
    quick = SimpleNamespace(score=lambda *_: {}, thresholds=lambda *_: 0.0)
    monkeypatch.setattr(baselines, "LinearProbe", lambda *_: quick)
    assert "linear_probe_fitted" not in found("half") and "linear_probe" not in found("validation")
    assert "linear_probe" in found(), "a table without Action Units"
