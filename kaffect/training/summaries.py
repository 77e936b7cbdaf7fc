"""TensorBoard summaries of a run: curves, HParams, faces with labels, attention weights.

Serves the researcher who watches a table being made:
`tensorboard --logdir RUN/tensorboard`.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw
from tensorboard.plugins.hparams import api as hparams
from tensorboard.plugins.pr_curve import summary as pr_curve

from kaffect.appending import shorten
from kaffect.data.prepared.shards import whole_records
from kaffect.errors import StorageError
from kaffect.files import full_disk_named

matplotlib.use("Agg")  # no screen is needed, nor asked for
from matplotlib import pyplot  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

_EVENTS = "events.out.tfevents"
CURVE_POINTS = 101  # thresholds of a precision-recall curve


class RunSummaries:
    """Writes one run's summaries below `folder`.

    Args:
        folder: one folder per run, so that TensorBoard lists the rows of a table side by side.
        settings: those that distinguish this run from others; shown by the HParams plugin.

    Every method raises `StorageError` where the disk is full; whole events are left then.
    """

    def __init__(self, folder: str | Path, settings: Mapping[str, Any]) -> None:
        self._folder, self._full = Path(folder), False
        with self._writing():
            self.writer = tf.summary.create_file_writer(str(folder))
            with self.writer.as_default():
                hparams.hparams(dict(settings), trial_id=self._folder.name)

    def scalars(self, step: int, group: str, values: Mapping[str, float]) -> None:
        """Curves `group/name` at `step`; CCC, F1 and accuracy among them."""
        with self._writing(), self.writer.as_default(step):
            for name, value in values.items():
                tf.summary.scalar(f"{group}/{name}", value)

    def image(self, step: int, name: str, figure: Figure) -> None:
        """A matplotlib figure as an image; the figure is closed."""
        self.pixels(step, name, figure_pixels(figure))

    def pixels(self, step: int, name: str, pixels: np.ndarray) -> None:
        """An image, uint8 [height, width, channels]."""
        with self._writing(), self.writer.as_default(step):
            tf.summary.image(name, pixels[None])

    def precision_recall(
        self, step: int, name: str, labels: np.ndarray, probabilities: np.ndarray
    ) -> None:
        """The precision-recall curve of one class or Action Unit.

        Args:
            labels: bool [n]; probabilities: of the class, [n], from 0 to 1.
        """
        curve = pr_curve.pb(f"precision_recall/{name}", labels, probabilities, CURVE_POINTS)
        with self._writing(), self.writer.as_default(step):
            tf.summary.experimental.write_raw_pb(curve.SerializeToString())

    def close(self) -> None:
        """Write what is still held back; after a full disk it is lost."""
        if not self._full:
            with self._writing():
                self.writer.close()
                _require_whole(self._folder)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            with full_disk_named(self._folder / _EVENTS):
                yield
        except StorageError:
            self._full = True
            for path in _cut_events(self._folder):
                shorten(path, whole_records(path)[1])
            raise


def state_hparams(
    folder: str | Path, settings: Mapping[str, Sequence[Any]], metrics: Sequence[str]
) -> None:
    """Say which columns the HParams plugin shows of the runs below `folder`, in this order.

    Args:
        settings: name -> the values that runs have.
        metrics: tags of their scalars.

    Raises:
        StorageError: the disk is full.
    """
    columns = [hparams.HParam(name, hparams.Discrete(values)) for name, values in settings.items()]
    shown = [hparams.Metric(tag, display_name=tag) for tag in metrics]
    with full_disk_named(Path(folder) / _EVENTS):
        writer = tf.summary.create_file_writer(str(folder))
        with writer.as_default():
            hparams.hparams_config(columns, shown)
        writer.close()
        _require_whole(Path(folder))


def _require_whole(folder: Path) -> None:
    """Raise where an event is half there: TensorFlow closes a writer on a full disk in silence."""
    if _cut_events(folder):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _cut_events(folder: Path) -> list[Path]:
    files = folder.glob(f"{_EVENTS}.*")
    return [path for path in files if whole_records(path)[1] < path.stat().st_size]


def figure_pixels(figure: Figure) -> np.ndarray:
    """The pixels of `figure`, uint8 [height, width, 4]; the figure is closed."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    pyplot.close(figure)
    return tf.io.decode_png(buffer.getvalue(), channels=4).numpy()


def labelled_faces(
    faces: np.ndarray, true: Sequence[str], predicted: Sequence[str], columns: int = 6
) -> np.ndarray:
    """A grid of faces, each with its label above (black) and the prediction below (blue).

    Without matplotlib, which takes longer for it than a short training.

    Args:
        faces: uint8 [n, height, width, 3].
        true, predicted: one caption for each face, of at most two lines.

    Returns:
        uint8 [height, width, 3].
    """
    side, text, gap = 160, 30, 8
    width, height = side + gap, side + 2 * text + gap
    rows = -(-len(faces) // columns)
    grid = Image.new("RGB", (min(columns, len(faces)) * width, rows * height), "white")
    draw = ImageDraw.Draw(grid)
    for number, (face, above, below) in enumerate(zip(faces, true, predicted)):
        left, top = number % columns * width + gap // 2, number // columns * height
        draw.multiline_text((left, top), above, "#1a1a1a", spacing=2)
        grid.paste(Image.fromarray(face).resize((side, side)), (left, top + text))
        draw.multiline_text((left, top + text + side + 2), below, "#0b5cad", spacing=2)
    return np.asarray(grid)


def attention_figure(weights: np.ndarray, title: str) -> Figure:
    """Attention weights of one sequence: frame by frame, how much each past output counts.

    Args:
        weights: [time, length]; the last column is the newest output.
    """
    figure, axis = pyplot.subplots(figsize=(6.4, 4.2))
    figure.subplots_adjust(left=0.12, right=0.98, bottom=0.13, top=0.92)
    length = weights.shape[1]
    image = axis.imshow(
        weights.T, aspect="auto", origin="lower", cmap="viridis", vmin=0,
        extent=(0, weights.shape[0], -length, 0),
    )  # fmt: skip
    axis.set_xlabel("frame of the sequence")
    axis.set_ylabel("past output (frames ago)")
    axis.set_title(title, fontsize=9)
    figure.colorbar(image, label="attention weight")
    return figure
