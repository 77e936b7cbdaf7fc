"""Names of what a served network says: probabilities and scales that need no guessing.

Heads give logits (Section IV-B); softmax and sigmoid are applied here, once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from kaffect.labels import VALENCE_AROUSAL, LabelSpace

# Output -> what it means, in the order in which tables have them.
MEANINGS = {
    "valence_arousal": "valence and arousal, linear, trained on [-1, 1], may lie a little outside",
    "expression_probabilities": "softmax over the basic expressions, sums to 1",
    "expression_logits": "the same before the softmax",
    "action_unit_probabilities": "sigmoid of each Action Unit, each in [0, 1]",
    "action_unit_logits": "the same before the sigmoid",
    "fake_probability": "how far the discriminator takes the face for generated, in [0, 1]",
    "features": "the vector from which the outputs are computed",
}
# Said again as probabilities: left out where each number has a name of its own.
LOGITS = frozenset({"expression_logits", "action_unit_logits"})


def served_outputs(logits: Mapping[str, Any]) -> dict[str, Any]:
    """A network's dictionary of logits -> the outputs that are served, float32.

    `expression_logits` also gives `expression_probabilities`, and `action_unit_logits`
    `action_unit_probabilities`; `fake_logits` becomes `fake_probability`.
    """
    served: dict[str, Any] = {}
    for name, value in logits.items():
        value = tf.cast(value, tf.float32)
        if name == "expression_logits":
            served["expression_probabilities"] = tf.nn.softmax(value)
            served[name] = value
        elif name == "action_unit_logits":
            served["action_unit_probabilities"] = tf.sigmoid(value)
            served[name] = value
        elif name == "fake_logits":
            served["fake_probability"] = tf.sigmoid(value)
        else:
            served[name] = value
    return served


def columns(space: LabelSpace) -> dict[str, tuple[str, ...]]:
    """Output -> the name of each of its columns."""
    return {
        "valence_arousal": VALENCE_AROUSAL,
        "expression_probabilities": space.expressions,
        "expression_logits": space.expressions,
        "action_unit_probabilities": space.action_units,
        "action_unit_logits": space.action_units,
        "fake_probability": ("fake",),
    }
