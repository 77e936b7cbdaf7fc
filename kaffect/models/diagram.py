"""Figure 5, drawn from the built network: names, shapes and numbers are read from its layers."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from kaffect import files
from kaffect.errors import ConfigError
from kaffect.models.attention_gru import AttentionGRU

# Face and edge colour by what a part does.
_COLOURS = {
    "input": ("#eceff1", "#607d8b"),
    "convolution": ("#d6e9f8", "#1f6fb2"),
    "dense": ("#dcefdc", "#2e7d32"),
    "recurrence": ("#fdebd0", "#c77700"),
    "attention": ("#fbdfe4", "#b3364d"),
    "output": ("#e6def3", "#5e3c99"),
}
_TEXT = "#263238"
_WIDTH, _HEIGHT = 17.0, 7.6  # inches, and the units of every position below


@dataclass(frozen=True)
class Part:
    """One box of the figure.

    Attributes:
        kind: a key of the colours.
        names: layers in it, or the name of a part of a layer.
        note: one more line, or nothing.
        shape: output shape without the batch, as text.
        parameters: how many weights it has.
    """

    kind: str
    names: tuple[str, ...]
    note: str
    shape: str
    parameters: int


def encoder_parts(encoder: keras.Model) -> list[Part]:
    """Boxes of the CNN: each block of convolutions with its pool is one."""
    parts: list[Part] = []
    block: list[Any] = []
    for layer in _flat(encoder):
        if isinstance(layer, keras.layers.InputLayer):
            continue
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.MaxPooling2D)):
            block.append(layer)
            if isinstance(layer, keras.layers.MaxPooling2D):
                parts.append(_part("convolution", block))
                block = []
        else:
            dense = isinstance(layer, keras.layers.Dense)
            parts.append(_part("dense" if dense else "input", [layer]))
    return parts


def recurrence_parts(layer: AttentionGRU) -> list[Part]:
    """Boxes inside the recurrent layer."""
    counts: dict[str, int] = {}
    for name, variable in layer.tf1_names().items():
        owner = name.rpartition("/")[0].removesuffix("/gates").removesuffix("/candidate")
        size = 1
        for n in variable.shape:
            size *= n
        counts[owner] = counts.get(owner, 0) + size
    last, features = layer.units[-1], layer.cell.input_kernel.shape[1]
    projection, gru = counts[""], "multi_rnn_cell/cell_{}/gru_cell"
    parts = [Part("recurrence", ("input projection",), "[x, context]", f"{features}", projection)]
    for k, units in enumerate(layer.units):
        owner = gru.format(k) if len(layer.units) > 1 else "gru_cell"
        note = "TensorFlow 1 cell"
        parts.append(Part("recurrence", (f"GRU {k + 1}",), note, f"{units}", counts[owner]))
    note, shape = f"over the last {layer.attention_length} outputs", (layer.attention_length, last)
    parts.append(Part("attention", ("attention",), note, _shape(shape), counts["attention"]))
    weights = counts["attn_output_projection"]
    parts.append(Part("recurrence", ("output projection",), "[h, context]", f"{last}", weights))
    return parts


def _flat(model: keras.Model) -> Iterable[keras.layers.Layer]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _flat(layer)
        else:
            yield layer


def _part(kind: str, layers: list[Any], note: str = "") -> Part:
    names = tuple(layer.name for layer in layers)
    count = sum(layer.count_params() for layer in layers)
    return Part(kind, names, note, _shape(layers[-1].output.shape[1:]), count)


def _shape(sizes: Iterable[int | None]) -> str:
    return " × ".join("t" if n is None else str(n) for n in sizes)


class _Canvas:
    def __init__(self) -> None:
        self.figure = Figure(figsize=(_WIDTH, _HEIGHT), dpi=110, facecolor="white")
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set_xlim(0, _WIDTH)
        self.axes.set_ylim(0, _HEIGHT)
        self.axes.set_axis_off()

    def text(self, x: float, y: float, text: str, **style: Any) -> None:
        style = {"ha": "center", "va": "center", "fontsize": 9, "color": _TEXT, **style}
        self.axes.text(x, y, text, **style)

    def frame(
        self, x: float, y: float, width: float, height: float, kind: str, **style: Any
    ) -> None:
        face, edge = _COLOURS[kind]
        style = {"facecolor": face, "edgecolor": edge, "linewidth": 1.4, **style}
        shape = "round,pad=0,rounding_size=0.12"
        self.axes.add_patch(FancyBboxPatch((x, y), width, height, boxstyle=shape, **style))

    def box(self, part: Part, x: float, middle: float, width: float, height: float) -> None:
        """A part's box with its left edge at `x`: names, shape and number of weights."""
        self.frame(x, middle - height / 2, width, height, part.kind)
        quiet = {"fontsize": 8}
        lines: list[tuple[str, dict[str, Any]]] = [
            *((name, {"fontsize": 9.5, "fontweight": "bold"}) for name in part.names),
            *([(part.note, {**quiet, "fontstyle": "italic"})] if part.note else []),
            ("", quiet),
            (part.shape, quiet),
            *([(f"{part.parameters:,} weights", quiet)] if part.parameters else []),
        ]
        step = min(0.24, height / (len(lines) + 0.6))
        top = middle + (len(lines) - 1) * step / 2
        for i, (line, style) in enumerate(lines):
            self.text(x + width / 2, top - i * step, line, **style)

    def arrow(self, start: tuple[float, float], end: tuple[float, float], **style: Any) -> None:
        style = {"arrowstyle": "-|>", "mutation_scale": 13, "linewidth": 1.3, **style}
        self.axes.add_patch(FancyArrowPatch(start, end, color="#455a64", **style))

    def row(self, parts: list[Part], places: list[tuple[float, float, float]], y: float) -> None:
        """Boxes (left edge, width, height) side by side with arrows between them."""
        for part, (x, width, height) in zip(parts, places):
            self.box(part, x, y, width, height)
        for (x, width, _), (after, _, _) in zip(places, places[1:]):
            self.arrow((x + width + 0.02, y), (after - 0.02, y))

    def png(self) -> bytes:
        buffer = io.BytesIO()
        FigureCanvasAgg(self.figure).print_png(buffer, metadata={"Software": None})
        return buffer.getvalue()


def _draw_encoder(canvas: _Canvas, model: keras.Model, encoder: keras.Model) -> None:
    images = Part("input", ("images",), "RGB", _shape(model.input_shape[1:]), 0)
    parts = [images, *encoder_parts(encoder)]
    canvas.frame(1.95, 4.35, _WIDTH - 2.2, 2.6, "input", facecolor="#fafbfc", linestyle="--")
    title = f"for every frame: VGG-Face ({encoder.count_params():,} weights with FC)"
    canvas.text(2.1, 6.75, title, ha="left", fontsize=10, fontstyle="italic")
    gap, left = 0.28, 2.2
    width = (_WIDTH - left - 0.45 - gap * (len(parts) - 2)) / (len(parts) - 1)
    places = [(0.3, 1.35, 1.3)]
    for i, part in enumerate(parts[1:]):
        places.append((left + i * (width + gap), width, 1.9 if len(part.names) > 1 else 1.3))
    canvas.row(parts, places, 5.5)
    end = places[-1][0] + width / 2
    # Down, left below the first row, and into the second one.
    canvas.axes.plot([end, end, 0.975], [4.83, 3.98, 3.98], color="#455a64", linewidth=1.3)
    canvas.arrow((0.975, 3.985), (0.975, 2.87))


def _draw_head(canvas: _Canvas, head: keras.Model, recurrence: AttentionGRU) -> None:
    order = ("valence_arousal", "expression_logits")
    heads = [head.get_layer(name) for name in order if name in head.output]
    dropout = next(layer for layer in head.layers if isinstance(layer, keras.layers.Dropout))
    first = _part("input", [dropout], f"rate {dropout.rate:g}, in training")
    canvas.box(first, 0.3, 2.2, 1.35, 1.3)
    canvas.frame(2.05, 0.35, 11.6, 3.3, "recurrence", facecolor="#fffaf3", linestyle="--")
    title = f"{recurrence.name}: frame after frame ({recurrence.count_params():,} weights)"
    canvas.text(2.2, 3.45, title, ha="left", fontsize=10, fontstyle="italic")
    parts = recurrence_parts(recurrence)
    gap = 0.38
    width = (11.6 - 0.5 - gap * (len(parts) - 1)) / len(parts)
    places = [(2.3 + i * (width + gap), width, 1.6) for i in range(len(parts))]
    canvas.row(parts, places, 2.2)
    canvas.arrow((1.67, 2.2), (2.28, 2.2))
    centres = [x + width / 2 for x, _, _ in places]
    caption = {"fontsize": 8, "fontstyle": "italic"}
    loop = {"connectionstyle": "arc3,rad=-0.12", "linestyle": "--"}
    canvas.arrow((centres[-1], 1.38), (centres[-2], 1.38), **loop)
    canvas.text((centres[-1] + centres[-2]) / 2, 1.05, "window of outputs", **caption)
    canvas.arrow((centres[-2] - 0.25, 1.38), (centres[0], 1.38), **loop)
    canvas.text((centres[-2] + centres[0]) / 2, 0.72, "context, for the next frame", **caption)
    last = 2.05 + 11.6
    for i, layer in enumerate(heads):
        y = 2.2 + (0.85 if len(heads) > 1 else 0.0) * (1 - 2 * i)
        linear = layer.name == "valence_arousal"
        note = "linear" if linear else "softmax in the loss and in serving"
        canvas.box(_part("output", [layer], note), last + 0.75, y, 2.35, 1.35)
        canvas.arrow((last + 0.02, 2.2), (last + 0.73, y))


def draw(model: keras.Model, path: str | Path) -> Path:
    """Draw Figure 5 as `model` is built.

    Args:
        model: from `vggface_gru_attention` (or `join`), with any sizes.
        path: the PNG to write.

    Returns:
        The path.

    Raises:
        ConfigError: the model has not the two parts of that network.
    """
    names = [layer.name for layer in model.layers]
    if not {"frame_encoder", "sequence_head"} <= set(names):
        raise ConfigError(
            "Figure 5 is drawn from vggface_gru_attention(), which has the layers 'frame_encoder' "
            f"and 'sequence_head'. Received: {model.name} with {names}"
        )
    encoder, head = model.get_layer("frame_encoder"), model.get_layer("sequence_head")
    recurrence = next(layer for layer in head.layers if isinstance(layer, AttentionGRU))
    canvas = _Canvas()
    canvas.text(
        _WIDTH / 2,
        7.27,
        f"VGGFACE-GRU-attention, {model.count_params():,} weights (arXiv 1811.07771, Figure 5)",
        fontsize=13,
        fontweight="bold",
    )
    _draw_encoder(canvas, model, encoder)
    _draw_head(canvas, head, recurrence)
    files.write_bytes(path, canvas.png())
    return Path(path)
