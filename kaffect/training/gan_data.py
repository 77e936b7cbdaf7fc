"""Batches for the semi-supervised GANs: labelled and unlabelled frames (paper Section IV-A).

Labelled frames come from the training videos of the Action Unit set, unlabelled ones
from those of the expression set: what the latter may be labelled with is hidden, so
that they train the real/fake output only.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from kaffect.config.gan import GanConfig
from kaffect.data.batches.augment import Augmentation
from kaffect.data.batches.pipeline import labelled_rows, training_frames
from kaffect.data.prepared.records import FrameIndex
from kaffect.training.determinism import derived_seed

# not in the paper: mirrored faces, as the code behind configuration 2 trains on. No label
# depends on the side.
MIRROR = Augmentation(flip=True, brightness=0.0, contrast=0.0, shift=0)
KEYS = (
    "images", "valence_arousal", "valence_arousal_mask", "action_units", "action_units_mask",
)  # fmt: skip


def unlabelled_rows(train: FrameIndex, partition: str = "au") -> np.ndarray:
    """Rows with a face of the expression set's videos that are not in `partition` too."""
    expression, labelled = train.for_partition("expression"), train.for_partition(partition)
    rows = np.setdiff1d(expression.rows, labelled.rows)
    return rows[train.has_face[rows]]


class GanBatches:
    """Batches as a function of the step, for `train_gan`.

    Args:
        train: the whole training split.
        partition: whose videos give the labelled frames ('au' in the paper).
        batch: frames in a batch.
        unlabelled: share of them without labels; 0 where there are no such frames.
        select: labelled frames are 'all' faces with any label, or those that Section II-D
            keeps of the partition ('paper'), chosen by `selection_seed`.
        labelled: these rows have labels and all other faces of `train` none, whatever the
            partition and `select` say.
        seed: of the order.
        augment: change of the pictures, or None.
    """

    def __init__(
        self,
        train: FrameIndex,
        *,
        partition: str = "au",
        batch: int = 64,
        unlabelled: float = 0.25,
        select: str = "all",
        selection_seed: int = 0,
        labelled: np.ndarray | None = None,
        seed: int = 0,
        augment: Augmentation | None = MIRROR,
    ) -> None:
        self.index = train
        if labelled is None:
            part = train.for_partition(partition)
            chosen = labelled_rows(part) if select == "all" else part.kept_rows(selection_seed)
            others = unlabelled_rows(train, partition)
        else:
            chosen = labelled
            others = np.setdiff1d(train.rows[train.has_face[train.rows]], labelled)
        self.labelled, self.hidden = chosen, others if unlabelled else np.zeros(0, np.int64)
        # At least one frame with labels, whatever is rounded.
        self.without = min(round(batch * unlabelled), batch - 1) if len(self.hidden) else 0
        self.batch, self.seed, self.augment = batch, seed, augment

    @classmethod
    def of(
        cls,
        config: GanConfig,
        train: FrameIndex,
        partition: str,
        labelled: np.ndarray | None = None,
    ) -> GanBatches:
        """Those that a configuration asks for; other arguments as above."""
        data = config.data
        return cls(
            train,
            partition=partition,
            batch=data.batch,
            unlabelled=data.unlabelled,
            select=data.select,
            selection_seed=data.seed,
            labelled=labelled,
            seed=derived_seed(config.train.seed, "frame order"),
            augment=MIRROR if data.flip else None,
        )

    def __call__(self, first: int, steps: int) -> tf.data.Dataset:
        """The batches of the updates `first` to `first + steps - 1`.

        Elements: `images` uint8 [batch, 96, 96, 3], `valence_arousal` [batch, 2],
        `action_units` [batch, units], and `valence_arousal_mask`, `action_units_mask` [batch].
        """
        labelled = self._frames(self.labelled, self.batch - self.without, "labelled", first, steps)
        if not self.without:
            return labelled.map(_needed)
        hidden = self._frames(self.hidden, self.without, "unlabelled", first, steps)
        return tf.data.Dataset.zip(labelled, hidden).map(_joined)

    def _frames(
        self, rows: np.ndarray, count: int, purpose: str, first: int, steps: int
    ) -> tf.data.Dataset:
        return training_frames(
            self.index,
            batch=count,
            seed=derived_seed(self.seed, purpose),
            first_step=first,
            steps=steps,
            augment=self.augment or False,
            rows=rows,
        )


def _needed(element: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    return {key: element[key] for key in KEYS}


def _joined(labelled: dict[str, tf.Tensor], hidden: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Labelled frames first; the labels of the others are replaced by zeros and masked."""
    found = {"images": tf.concat([labelled["images"], hidden["images"]], axis=0)}
    for key in KEYS[1:]:
        found[key] = tf.concat([labelled[key], tf.zeros_like(hidden[key])], axis=0)
    return found
