"""Tables V-VIII: the layers of the GANs, as the paper prints them (paper Section IV-A).

Typed from the paper; the built networks are printed beside them.
Command: python experiments/run.py --table V   (or VI, VII, VIII; --kernel 7 for the latter two)
"""

from dataclasses import dataclass

from kaffect.models.layer_table import LayerRow

NORM = LayerRow("batch normalization")
RELU = LayerRow("relu")
LEAKY = LayerRow("leaky relu")
TANH = LayerRow("tanh")
SIGMOIDS = (LayerRow("sigmoid on AUs"), LayerRow("sigmoid on Fake"))
HEAD = LayerRow("fully connected", units="2+8+1")


def _convolution(name: str, size: int, first: int, second: int, stride: int = 2) -> LayerRow:
    return LayerRow(name, f"[{size}, {size}, {first}, {second}]", f"[1, {stride}, {stride}, 1]",
                    "'SAME'")  # fmt: skip


def _up(place: int, size: int, first: int, second: int, stride: int = 2) -> LayerRow:
    return _convolution(f"conv2d transpose {place}", size, first, second, stride)


def _down(place: int, first: int, second: int) -> tuple[LayerRow, ...]:
    return _convolution(f"conv2d {place}", 5, first, second), NORM, LEAKY


@dataclass(frozen=True)
class NetworkTable:
    """One of the four tables.

    Attributes:
        name: in Roman numerals; title: as the paper's caption says it, in short.
        builder: name of the function in `kaffect.models` that builds it.
        rows: as printed.
        notes: where the built network differs, and why.
    """

    name: str
    title: str
    builder: str
    rows: tuple[LayerRow, ...]
    notes: tuple[str, ...] = ()


_LOGITS = "The sigmoids are applied in the losses and in serving: the network gives logits."

TABLES = {
    table.name: table
    for table in (
        NetworkTable(
            "V",
            "configuration 1, generator, 32x32",
            "ssgan_generator",
            (
                _up(1, 2, 100, 384, stride=1), NORM, RELU,
                _up(2, 4, 384, 128), NORM, RELU,
                _up(3, 4, 128, 64), NORM, RELU,
                _up(4, 6, 64, 3), TANH,
            ),
            (
                "Padding is 'VALID', not 'SAME' as printed: with 'SAME' the image would be 8x8 "
                "(1-2-4-8 pixels), with 'VALID' it is the stated 32x32 (1-2-6-14-32).",
            ),
        ),
        NetworkTable(
            "VI",
            "configuration 1, discriminator, 32x32",
            "ssgan_discriminator",
            (*_down(1, 3, 64), *_down(2, 64, 128), *_down(3, 128, 256), HEAD, *SIGMOIDS),
            (_LOGITS,),
        ),
        NetworkTable(
            "VII",
            "configuration 2, generator, 96x96",
            "dcgan_generator",
            (
                LayerRow("fully connected", units="1*6*6*1024"), NORM, RELU,
                _up(1, 5, 1024, 512), NORM, RELU,
                _up(2, 5, 512, 256), NORM, RELU,
                _up(3, 5, 256, 128), NORM, RELU,
                _up(4, 5, 128, 3), TANH,
            ),
        ),
        NetworkTable(
            "VIII",
            "configuration 2, discriminator, 96x96",
            "dcgan_discriminator",
            (
                *_down(1, 3, 64), *_down(2, 64, 128), *_down(3, 128, 256), *_down(4, 256, 512),
                HEAD, *SIGMOIDS,
            ),
            (_LOGITS,),
        ),
    )
}  # fmt: skip
