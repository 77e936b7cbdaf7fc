"""The updates of both networks: schedule, batches, statistics, clipping, masks, precision."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from kaffect.config import GanConfig
from kaffect.labels import AFF_WILD
from kaffect.models.normalization import FusedBatchNormalization
from kaffect.training import gan
from kaffect.training.gan import GanTrainer, latents

from . import tiny_gan

PAPER = GanConfig().changed({"model.width": 0.03, "data.batch": 4})
TINY = PAPER.changed({"train.rounds": "DG"})


def _weights(network: keras.Model) -> list[np.ndarray]:
    return [v.numpy() for v in network.trainable_variables]


def _same(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize(
    ("configuration", "rounds", "updates"),
    [(1, "paper", "DGGGGG"), (2, "paper", "DGG"), (1, "literal", "DDDDDG"), (2, "literal", "DDG")],
)
def test_rounds(configuration: int, rounds: str, updates: str) -> None:
    settings = {"model.configuration": configuration, "train.rounds": rounds}
    assert GanConfig().changed(settings).updates == updates


def test_defaults_are_the_papers() -> None:
    config, training = GanConfig(), GanConfig().train
    assert (training.generator_rate, training.discriminator_rate) == (1e-4, 1e-5)
    assert (training.beta_1, training.beta_2, training.clip) == (0.5, 0.999, 20)
    assert config.data.batch == 64
    assert (config.loss.reconstruction_start, config.loss.reconstruction_steps) == (1, 1500)
    trainer = GanTrainer(TINY, AFF_WILD, "float32")
    for optimizer, rate in (
        (trainer.generator_optimizer, 1e-4),
        (trainer.discriminator_optimizer, 1e-5),
    ):
        settings = optimizer.get_config()
        assert settings["learning_rate"] == pytest.approx(rate)
        assert (settings["beta_1"], settings["beta_2"]) == (0.5, 0.999)
        assert (settings["epsilon"], settings["global_clipnorm"]) == (1e-8, 20)
    assert trainer.generator_optimizer is not trainer.discriminator_optimizer


def test_a_round_updates_each_network_as_often_as_the_schedule_says() -> None:
    trainer = tiny_gan.make_trainer(PAPER)
    logs = trainer.train_step(tiny_gan.one_round(PAPER))
    assert int(trainer.step.numpy()) == 6
    assert int(trainer.discriminator_optimizer.iterations.numpy()) == 1
    assert int(trainer.generator_optimizer.iterations.numpy()) == 5
    assert int(trainer.average.count.numpy()) == 1
    assert logs["discriminator_loss"].shape == (1,) and logs["generator_loss"].shape == (5,)
    total = logs["real_loss"] + logs["fake_loss"]
    np.testing.assert_allclose(logs["discriminator_loss"], total, rtol=1e-6)


@pytest.mark.parametrize("letter", ["D", "G"])
def test_an_update_changes_its_own_network_only(letter: str) -> None:
    trainer = tiny_gan.make_trainer(TINY)
    before = {name: _weights(getattr(trainer, name)) for name in ("generator", "discriminator")}
    batch = tiny_gan.batch(tf.constant(0))
    images = gan.normalise(batch["images"], 32)
    update = trainer._discriminator_update if letter == "D" else trainer._generator_update
    update(images, batch)
    changed = {n: not _same(w, _weights(getattr(trainer, n))) for n, w in before.items()}
    assert changed == {"generator": letter == "G", "discriminator": letter == "D"}


def test_every_update_has_its_own_batch_and_latent_vectors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[np.ndarray, np.ndarray]] = []
    trainer = tiny_gan.make_trainer(PAPER)
    for name in ("_discriminator_update", "_generator_update"):
        update = getattr(trainer, name)

        def spy(images, batch, update=update):  # type: ignore[no-untyped-def]
            seen.append((images.numpy(), trainer._latents(images).numpy()))
            return update(images, batch)

        monkeypatch.setattr(trainer, name, spy)
    trainer.train_step(tiny_gan.one_round(PAPER))
    for step, (images, z) in enumerate(seen):
        wanted = tiny_gan.batch(tf.constant(step, tf.int64))["images"].numpy()
        wanted = wanted.reshape(4, 32, 3, 32, 3, 3).mean(axis=(2, 4))  # area: 3x3 blocks
        np.testing.assert_allclose(images, (wanted - 128) / 128, atol=1e-5)
        np.testing.assert_array_equal(z, latents(PAPER.train.seed, step, 4))
    assert len({z.tobytes() for _, z in seen}) == 6


def test_latents_are_uniform_and_a_function_of_seed_and_step() -> None:
    z = latents(1, 2, 4000).numpy()
    assert z.shape == (4000, 100) and z.min() >= -1 and z.max() < 1
    assert abs(z.mean()) < 0.005 and abs(z.std() - 1 / np.sqrt(3)) < 0.005
    np.testing.assert_array_equal(z, latents(1, 2, 4000))
    assert not np.array_equal(z, latents(1, 3, 4000))
    assert not np.array_equal(z, latents(2, 2, 4000))


def _norms(network: keras.Model) -> list[FusedBatchNormalization]:
    return [x for x in network.layers if isinstance(x, FusedBatchNormalization)]


def test_batch_normalisation_of_both_networks_moves() -> None:
    trainer = tiny_gan.make_trainer(TINY)
    trainer.train_step(tiny_gan.one_round(TINY))
    for layer in _norms(trainer.generator) + _norms(trainer.discriminator):
        assert np.abs(layer.moving_mean.numpy()).max() > 0, layer.name
        assert np.abs(layer.moving_variance.numpy() - 1).max() > 0, layer.name


@pytest.mark.parametrize(("statistics", "passes"), [("real", 1), ("all", 3)])
def test_what_the_discriminators_statistics_follow(statistics: str, passes: int) -> None:
    config = TINY.changed({"train.statistics": statistics, "train.discriminator_rate": 1e-30})
    trainer = tiny_gan.make_trainer(config)
    layer = _norms(trainer.discriminator)[0]
    data = tiny_gan.one_round(config)
    first = trainer.discriminator.get_layer("conv2d_1")(gan.normalise(data["images"][0], 32))
    real_mean = first.numpy().reshape(-1, first.shape[-1]).mean(axis=0)
    trainer.train_step(data)
    moved = layer.moving_mean.numpy()
    follows_real_only = np.allclose(moved, 0.1 * real_mean, atol=1e-6)
    assert follows_real_only == (passes == 1)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_gradients_are_clipped_to_a_global_norm_of_20(policy: str) -> None:
    trainer = tiny_gan.make_trainer(TINY, policy)
    for network, optimizer in (
        (trainer.generator, trainer.generator_optimizer),
        (trainer.discriminator, trainer.discriminator_optimizer),
    ):
        scale = 1.0
        inner = optimizer
        if policy == "mixed_float16":
            assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
            scale, inner = float(optimizer.dynamic_scale.numpy()), optimizer.inner_optimizer
        variables = network.trainable_variables
        gradients = [tf.fill(v.shape, 3.0 * scale) for v in variables]
        norm = 3 * np.sqrt(sum(v.value.shape.num_elements() for v in variables))
        assert norm > 40
        optimizer.apply(gradients, variables)
        # Adam's first momentum after one update is (1 - beta_1) times the clipped gradient.
        momenta = [m.numpy() for m in inner._momentums]
        assert np.sqrt(sum((m**2).sum() for m in momenta)) == pytest.approx(0.5 * 20, rel=1e-3)


def test_each_value_of_a_gradient_is_clipped_where_that_is_asked_for() -> None:
    trainer = tiny_gan.make_trainer(TINY.changed({"train.clip_by": "value", "train.clip": 0.5}))
    optimizer, variables = trainer.generator_optimizer, trainer.generator.trainable_variables
    optimizer.apply(
        [tf.fill(v.shape, 0.25 - 2.0 * (len(v.shape) > 1)) for v in variables], variables
    )
    for variable, momentum in zip(variables, optimizer._momentums):
        # (1 - beta_1) times the gradient: -1.75 is cut at -0.5, 0.25 is left as it is.
        expected = 0.5 * (-0.5 if len(variable.shape) > 1 else 0.25)
        np.testing.assert_allclose(momentum, np.full(momentum.shape, expected))


def _after_one_round(data: dict[str, tf.Tensor], name: str, value: object) -> GanTrainer:
    trainer = tiny_gan.make_trainer(TINY.changed({name: value}))
    trainer.train_step(data)
    return trainer


@pytest.mark.parametrize("va_loss", ["mse", "ccc"])
def test_masked_labels_change_nothing_and_unlabelled_frames_still_train(va_loss: str) -> None:
    data = tiny_gan.one_round(TINY)
    none = {key: tf.zeros_like(v) for key, v in data.items() if key.endswith("_mask")}
    unlabelled = {**data, **none}
    garbage = {
        **unlabelled,
        "valence_arousal": tf.fill(data["valence_arousal"].shape, np.nan),
        "action_units": tf.fill(data["action_units"].shape, -1.0),
    }
    darker = {**unlabelled, "images": data["images"] // 2}
    weights = [
        _weights(_after_one_round(d, "loss.va", va_loss).discriminator)
        for d in (unlabelled, garbage, darker, data)
    ]
    assert _same(weights[0], weights[1]), "a masked label must not reach a gradient"
    assert not _same(weights[0], weights[2]), "unlabelled images train the real/fake output"
    assert not _same(weights[0], weights[3]), "labels train their outputs"


@pytest.mark.parametrize(("tasks", "outputs"), [(("va",), 3), (("au",), 9), (("va", "au"), 11)])
def test_single_task_discriminators_train(tasks: tuple[str, ...], outputs: int) -> None:
    trainer = _after_one_round(tiny_gan.one_round(TINY), "loss.tasks", tasks)
    assert trainer.discriminator.output_shape[-1] == trainer.heads.outputs == outputs
    assert all(np.isfinite(w).all() for w in _weights(trainer.discriminator))


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_stays_near_float32(policy: str) -> None:
    # 16 channels at least: sums over two or three rounded values would be all rounding.
    config = TINY.changed({"model.width": 0.25})
    data = tiny_gan.one_round(config)
    logs = [tiny_gan.make_trainer(config, p).train_step(data) for p in ("float32", policy)]
    for term in ("discriminator_loss", "generator_loss"):
        np.testing.assert_allclose(logs[0][term][0], logs[1][term][0], rtol=0.05)
    for term in ("discriminator_gradient_norm", "generator_gradient_norm"):
        # Unscaled; of many small numbers, so further apart than the losses.
        np.testing.assert_allclose(logs[0][term][0], logs[1][term][0], rtol=0.2)


def test_an_update_that_overflows_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the same batch and latent vectors: the weights are those of a scale that fits at once."""
    trainers, logs = [], []
    for first in (2.0**24, 2.0**4):
        monkeypatch.setattr(gan, "FIRST_SCALE", first)
        trainers.append(tiny_gan.make_trainer(TINY, "mixed_float16"))
        logs.append(trainers[-1].train_step(tiny_gan.one_round(TINY)))
    for trainer in trainers:
        made = [trainer.discriminator_optimizer.iterations, trainer.generator_optimizer.iterations]
        assert [int(n) for n in made] == [1, 1] and int(trainer.step) == 2
    for name in ("generator", "discriminator"):
        skipped = [float(log[f"{name}_skipped_updates"][0]) for log in logs]
        assert skipped[0] >= 2 and skipped[1] == 0
        assert float(logs[0][f"{name}_loss_scale"][0]) == 2.0 ** (24 - skipped[0])
        assert [float(log[f"{name}_finite_gradients"][0]) for log in logs] == [1, 1]
        pairs = zip(*(_weights(getattr(trainer, name)) for trainer in trainers))
        # Adam's first steps have the size of the rate: 1e-5 and 1e-4.
        rate = getattr(trainers[0], f"{name}_optimizer").learning_rate
        for found, wanted in pairs:
            assert np.median(np.abs(found - wanted)) < 0.01 * float(rate)


def test_no_retracing_after_the_first_round(monkeypatch: pytest.MonkeyPatch) -> None:
    traces = 0
    trainer = tiny_gan.make_trainer(TINY)
    step = trainer.train_step

    def counted(data):  # type: ignore[no-untyped-def]
        nonlocal traces
        traces += 1
        return step(data)

    monkeypatch.setattr(trainer, "train_step", counted)
    for first in (0, 8):
        data = tiny_gan.batches(first, 8).batch(2, drop_remainder=True)
        trainer.fit(data, steps_per_epoch=4, verbose=0, shuffle=False)
    assert int(trainer.step.numpy()) == 16
    assert traces == 1
