"""Graphs of exported generators and discriminators (Section IV-A)."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kaffect.losses import Heads
from kaffect.models.gan_layers import LATENT
from kaffect.serving.images import decode_crops
from kaffect.serving.outputs import served_outputs
from kaffect.serving.recognition_graph import Endpoints, in_blocks, served_widths
from kaffect.training.gan_images import normalise


class GeneratorGraph(tf.Module):
    """Latent vectors to faces.

    Args:
        generator: [batch, 100] -> [batch, size, size, 3] in [-1, 1].
    """

    def __init__(self, generator: keras.Model) -> None:
        super().__init__(name="generator")
        self.generator = generator

    def generate(self, latents: Any) -> dict[str, Any]:
        """[batch, 100] -> `images` [batch, size, size, 3] uint8."""

        def pixels(block: Any) -> dict[str, Any]:
            faces = tf.cast(self.generator(block, training=False), tf.float32)
            # The inverse of (x - 128) / 128, as `training.gan_images.to_pixels` has it.
            values = tf.clip_by_value(tf.round(faces * 128.0 + 128.0), 0.0, 255.0)
            return {"images": tf.cast(values, tf.uint8)}

        return in_blocks(pixels, latents, {"images": (tf.uint8, self.generator.output_shape[1:])})

    def generate_png(self, latents: Any) -> dict[str, Any]:
        """[batch, 100] -> `images_bytes` [batch], PNG files."""
        images = self.generate(latents)["images"]
        spec = tf.TensorSpec([], tf.string)
        # The suffix tells TensorFlow Serving to answer in base64.
        return {"images_bytes": tf.map_fn(tf.io.encode_png, images, fn_output_signature=spec)}

    def networks(self) -> tuple[keras.Model, ...]:
        """Whose weights the endpoints read."""
        return (self.generator,)

    def endpoints(self) -> Endpoints:
        """Signature name -> function and the tensors that it takes."""
        latents = {"latents": tf.TensorSpec([None, LATENT], tf.float32, "latents")}
        return {
            "serving_default": (self.generate, latents),
            "serve_png": (self.generate_png, latents),
        }


class DiscriminatorGraph(tf.Module):
    """What a discriminator says of faces.

    Args:
        discriminator: [batch, size, size, 3] in [-1, 1] -> [batch, outputs] logits.
        heads: which outputs those are.
        picture_size: side of the pictures that are sent; shrunk to the network's as in training.
    """

    def __init__(self, discriminator: keras.Model, heads: Heads, picture_size: int = 96) -> None:
        super().__init__(name="discriminator")
        self.discriminator, self.heads = discriminator, heads
        self.size: int = discriminator.input_shape[1]
        self.picture_shape = (picture_size, picture_size, 3)
        columns = heads.split(np.zeros((1, heads.outputs), np.float32))
        self._widths = served_widths(
            {_NAMES[name]: 1 if name == "fake" else v.shape[-1] for name, v in columns.items()}
        )
        before = discriminator.layers[-1].input
        self.features = keras.Model(discriminator.input, before, name="features")

    def predict(self, images: Any) -> dict[str, Any]:
        """[batch, h, w, 3] uint8 -> outputs [batch, k]."""

        def judge(block: Any) -> dict[str, Any]:
            logits = self.discriminator(normalise(block, self.size), training=False)
            parts = self.heads.split(tf.cast(logits, tf.float32))
            parts["fake"] = parts["fake"][:, tf.newaxis]
            return served_outputs({_NAMES[name]: value for name, value in parts.items()})

        return in_blocks(judge, images, self._widths)

    def predict_encoded(self, images: Any) -> dict[str, Any]:
        """[batch] JPEG or PNG files -> outputs [batch, k]."""
        return self.predict(decode_crops(images, self.picture_shape))

    def encode(self, images: Any) -> dict[str, Any]:
        """[batch, h, w, 3] uint8 -> `features` [batch, n]."""

        def features(block: Any) -> dict[str, Any]:
            values = self.features(normalise(block, self.size), training=False)
            return {"features": tf.cast(values, tf.float32)}

        return in_blocks(
            features, images, {"features": (tf.float32, self.features.output_shape[1:])}
        )

    def networks(self) -> tuple[keras.Model, ...]:
        """Whose weights the endpoints read."""
        return (self.discriminator,)

    def endpoints(self) -> Endpoints:
        """Signature name -> function and the tensors that it takes."""
        pictures = tf.TensorSpec([None, *self.picture_shape], tf.uint8, "images")
        files = tf.TensorSpec([None], tf.string, "images")
        return {
            "serving_default": (self.predict, {"images": pictures}),
            "serve_jpeg": (self.predict_encoded, {"images": files}),
            "encode": (self.encode, {"images": pictures}),
        }


_NAMES = {
    "valence_arousal": "valence_arousal",
    "action_units": "action_unit_logits",
    "fake": "fake_logits",
}
