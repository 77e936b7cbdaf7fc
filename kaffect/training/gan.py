"""Training of the semi-supervised GANs: the updates of both networks (paper Section IV-C.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

from kaffect.config.gan import GanConfig
from kaffect.labels import LabelSpace
from kaffect.losses import Heads, fake_loss, generator_loss, real_loss, reconstruction_weight
from kaffect.models import (
    dcgan_discriminator,
    dcgan_generator,
    layers_compute_in,
    ssgan_discriminator,
    ssgan_generator,
)
from kaffect.models.gan_layers import LATENT
from kaffect.models.normalization import statistics_untouched
from kaffect.training.adam import make_adam
from kaffect.training.determinism import derived_seed
from kaffect.training.ema import ExponentialMovingAverage
from kaffect.training.gan_images import normalise
from kaffect.training.guards import RoundGuard
from kaffect.training.loss_scaling import (
    FINITE,
    MOST_SKIPPED,
    SKIPPED,
    apply_gradients,
    is_scaled,
)
from kaffect.training.precision import precision_here, scaled

Batch = Mapping[str, tf.Tensor]
Update = Callable[[tf.Tensor, Batch], dict[str, tf.Tensor]]
# Of the loss in float16: 2^15, Keras' first one, overflows in the untrained networks.
FIRST_SCALE = 2.0**10


def heads_of(config: GanConfig, space: LabelSpace) -> Heads:
    """The outputs of the discriminator, as the losses know them."""
    tasks = config.loss.tasks
    return Heads("va" in tasks, len(space.action_units) if "au" in tasks else 0)


def build_networks(
    config: GanConfig, space: LabelSpace, policy: str = "float32"
) -> tuple[keras.Model, keras.Model]:
    """Generator and discriminator of `config`, initial weights from its seed."""
    model, outputs = config.model, heads_of(config, space).outputs
    seeds = [derived_seed(config.train.seed, name) for name in ("generator", "discriminator")]
    with layers_compute_in(policy):
        if model.configuration == 1:
            return (
                ssgan_generator(model.style, model.width, seeds[0]),
                ssgan_discriminator(outputs, model.style, model.width, seeds[1]),
            )
        return (
            dcgan_generator(model.kernel, model.width, seeds[0]),
            dcgan_discriminator(model.kernel, outputs, model.width, seeds[1]),
        )


def latents(seed: int, step: Any, count: int) -> tf.Tensor:
    """Z of one update: [count, 100], uniform in [-1, 1], a function of (seed, step) alone."""
    place = tf.stack([tf.cast(derived_seed(seed, "latent"), tf.int64), tf.cast(step, tf.int64)])
    return tf.random.stateless_uniform((count, LATENT), place, minval=-1.0, maxval=1.0)


class GanTrainer(keras.Model):
    """Both networks, their optimisers and the schedule of their updates.

    `train_step` makes one round of the schedule, "DGGGGG" for example; each update has
    its own batch and latent vectors. Its data is a dictionary whose tensors have the
    updates of the round as first axis: `images` [updates, batch, height, width, 3]
    (uint8 pixels), `valence_arousal` [updates, batch, 2], `action_units`
    [updates, batch, units], and the `_mask` of each [updates, batch].

    Every log is [n], one value for each of the n updates that its network makes in a
    round: `discriminator_loss`, `real_*`, `fake_*`, `generator_loss`,
    `generator_adversarial`, `generator_reconstruction`, and, behind the network's name, what
    `apply_gradients` says of the gradients.

    Under loss scaling an update whose gradients overflow is tried again on its own batch and
    latent vectors, with half the scale each time (dropout is drawn anew, and batch statistics
    count for each try). So `step` is the number of updates that happened, by which the rounds,
    w_r and the data go; `skipped_updates` is the number of tries that were left out. After
    `MOST_SKIPPED` tries `finite_gradients` is 0, and `RoundGuard` stops the run.

    Args:
        config: all settings.
        space: whose Action Units the discriminator has.
        policy: precision, see `kaffect.training.precision`; by default as `config` says.
    """

    def __init__(self, config: GanConfig, space: LabelSpace, policy: str | None = None) -> None:
        super().__init__(name="gan")
        self.config, self.space = config, space
        self.heads = heads_of(config, space)
        self.policy_name = policy or precision_here(config.train.precision)
        self.generator, self.discriminator = build_networks(config, space, self.policy_name)
        self.average = ExponentialMovingAverage(self.generator, config.train.ema)
        self.discriminator_average = (
            ExponentialMovingAverage(self.discriminator, config.train.discriminator_ema)
            if config.train.discriminator_ema
            else None
        )
        self.step = keras.Variable(0, trainable=False, dtype="int64", name="step")
        self.generator_optimizer = self._adam(config.train.generator_rate, self.generator)
        self.discriminator_optimizer = self._adam(
            config.train.discriminator_rate, self.discriminator
        )
        self.built = True
        # XLA is off: its convolutions on the CPU are slower than oneDNN's.
        self.compile(jit_compile=False)

    def _adam(self, rate: float, network: keras.Model) -> keras.optimizers.Optimizer:
        config = self.config.train
        limit = {"norm": "global_clipnorm", "value": "clipvalue"}[config.clip_by]
        adam = make_adam(
            self.policy_name,
            rate,
            beta_1=config.beta_1,
            beta_2=config.beta_2,
            epsilon=config.adam_epsilon,
            **{limit: config.clip},
        )
        optimizer = scaled(adam, self.policy_name, FIRST_SCALE)
        optimizer.build(network.trainable_variables)
        return optimizer

    def restart_averages(self) -> None:
        """Let the averages begin with the weights that the networks have now."""
        for average in filter(None, (self.average, self.discriminator_average)):
            average.restart()

    @property
    def unit_names(self) -> tuple[str, ...]:
        """Names of the Action Unit outputs, in order."""
        return self.space.action_units[: self.heads.action_units]

    @property
    def updates_in_batch(self) -> int:
        """A batch of `fit` is a round: so many batches of frames."""
        return len(self.config.updates)

    def guard(self, first_step: int) -> RoundGuard:
        """What stops a training on values that are not finite."""
        return RoundGuard(self.config.updates, first_step)

    @property
    def saved(self) -> dict[str, Any]:
        """What a checkpoint holds: name -> object with `variables`."""
        objects: dict[str, Any] = {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
            "generator_average": self.average,
            "progress": _Counter(self.step),
        }
        if self.discriminator_average is not None:
            objects["discriminator_average"] = self.discriminator_average
        return objects

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Images of latent vectors [batch, 100], float32 in [-1, 1]."""
        return self.generator(inputs, training=training)

    def train_step(self, data: Batch) -> dict[str, tf.Tensor]:
        logs: dict[str, list[tf.Tensor]] = {}
        updates = {
            "D": self._until_applied("discriminator", self._discriminator_update),
            "G": self._until_applied("generator", self._generator_update),
        }
        for place, letter in enumerate(self.config.updates):
            batch = {key: value[place] for key, value in data.items()}
            images = normalise(batch["images"], self.config.model.image_size)
            for name, value in updates[letter](images, batch).items():
                logs.setdefault(name, []).append(value)
            self.step.assign_add(1)
        self.average.update()
        if self.discriminator_average is not None:
            self.discriminator_average.update()
        return {name: tf.stack(values) for name, values in logs.items()}

    def _until_applied(self, network: str, update: Update) -> Update:
        """`update` of `network`, tried again while its gradients overflow."""
        if not is_scaled(self.generator_optimizer):
            return update
        finite, skipped = f"{network}_{FINITE}", f"{network}_{SKIPPED}"
        # One graph for all tries and all places in the round.
        attempt = tf.function(update, autograph=False)

        def tried(images: tf.Tensor, batch: Batch) -> dict[str, tf.Tensor]:
            def again(terms: dict[str, tf.Tensor]) -> tuple[dict[str, tf.Tensor]]:
                new = attempt(images, batch)
                return ({**new, skipped: new[skipped] + terms[skipped]},)

            shapes = attempt.get_concrete_function(images, batch).structured_outputs
            (terms,) = tf.while_loop(
                lambda terms: (terms[finite] < 1.0) & (terms[skipped] < MOST_SKIPPED),
                again,
                (tf.nest.map_structure(lambda t: tf.zeros(t.shape, t.dtype), shapes),),
                parallel_iterations=1,
            )
            return terms

        return tried

    def _latents(self, images: tf.Tensor) -> tf.Tensor:
        return latents(self.config.train.seed, self.step.value, tf.shape(images)[0])

    def _discriminator_update(self, images: tf.Tensor, batch: Batch) -> dict[str, tf.Tensor]:
        """Eq. 3: real and generated images pass separately, each with its own batch statistics."""
        config = self.config.loss
        fakes = tf.stop_gradient(self.generator(self._latents(images), training=True))
        with tf.GradientTape() as tape:
            real_logits = self.discriminator(images, training=True)
            fake_logits = self._judge_fakes(fakes)
            real = real_loss(real_logits, batch, self.heads, config.va)
            fake = fake_loss(fake_logits, self.heads, config.va, config.smoothing)
            loss = real["loss"] + fake["loss"]
            target = self.discriminator_optimizer.scale_loss(loss)
        applied = self._apply(tape, target, self.discriminator, self.discriminator_optimizer)
        terms = {f"real_{name}": value for name, value in real.items()}
        terms |= {f"fake_{name}": value for name, value in fake.items()}
        return {"discriminator_loss": loss, **terms, **_named("discriminator", applied)}

    def _generator_update(self, images: tf.Tensor, batch: Batch) -> dict[str, tf.Tensor]:
        """Eq. 2, towards the discriminator as it is now."""
        config = self.config.loss
        weight = reconstruction_weight(
            self.step.value, config.reconstruction_start, config.reconstruction_steps
        )
        noise = self._latents(images)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([v.value for v in self.generator.trainable_variables])
            fakes = self.generator(noise, training=True)
            logits = self.heads.split(self._judge_fakes(fakes))["fake"]
            terms = generator_loss(logits, images, fakes, weight, config.non_saturating)
            target = self.generator_optimizer.scale_loss(terms["loss"])
        applied = self._apply(tape, target, self.generator, self.generator_optimizer)
        return _named("generator", terms | applied)

    def _judge_fakes(self, fakes: tf.Tensor) -> tf.Tensor:
        if self.config.train.statistics == "all":
            return self.discriminator(fakes, training=True)
        with statistics_untouched():
            return self.discriminator(fakes, training=True)

    def _apply(
        self,
        tape: tf.GradientTape,
        loss: tf.Tensor,
        network: keras.Model,
        optimizer: keras.optimizers.Optimizer,
    ) -> dict[str, tf.Tensor]:
        variables = network.trainable_variables
        return apply_gradients(optimizer, tape.gradient(loss, variables), variables)


class _Counter:
    """The number of updates made, in the form in which checkpoints take objects."""

    def __init__(self, step: keras.Variable) -> None:
        self.variables = [step]


def _named(network: str, terms: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    return {f"{network}_{name}": value for name, value in terms.items()}
