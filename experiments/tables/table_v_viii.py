"""Tables V-VIII: the layers of the GANs, as the paper prints them (paper Section IV-A).

Typed from the paper; the built networks are printed beside them.
Command: python experiments/run.py --table V   (or VI, VII, VIII; --kernel 7 for the latter two)
"""

from kaffect.studies.experiment import NetworkTable

NORM = ("batch normalization",)
RELU = ("relu",)
LEAKY = ("leaky relu",)
TANH = ("tanh",)
SIGMOIDS = (("sigmoid on AUs",), ("sigmoid on Fake",))
HEAD = ("fully connected", "", "", "", "2+8+1")

Layer = tuple[str, ...]


def _convolution(name: str, size: int, first: int, second: int, stride: int = 2) -> Layer:
    return name, f"[{size}, {size}, {first}, {second}]", f"[1, {stride}, {stride}, 1]", "'SAME'"


def _up(place: int, size: int, first: int, second: int, stride: int = 2) -> Layer:
    return _convolution(f"conv2d transpose {place}", size, first, second, stride)


def _down(place: int, first: int, second: int) -> tuple[Layer, ...]:
    return _convolution(f"conv2d {place}", 5, first, second), NORM, LEAKY


_LOGITS = "The sigmoids are applied in the losses and in serving: the network gives logits."

TABLES = (
    NetworkTable(
        "V",
        "configuration 1, generator, 32x32",
        "layers",
        "ssgan_generator",
        (
            _up(1, 2, 100, 384, stride=1),
            NORM,
            RELU,
            _up(2, 4, 384, 128),
            NORM,
            RELU,
            _up(3, 4, 128, 64),
            NORM,
            RELU,
            _up(4, 6, 64, 3),
            TANH,
        ),
        (
            "Padding is 'VALID', not 'SAME' as printed: with 'SAME' the image would be 8x8 "
            "(1-2-4-8 pixels), with 'VALID' it is the stated 32x32 (1-2-6-14-32).",
        ),
    ),
    NetworkTable(
        "VI",
        "configuration 1, discriminator, 32x32",
        "layers",
        "ssgan_discriminator",
        (*_down(1, 3, 64), *_down(2, 64, 128), *_down(3, 128, 256), HEAD, *SIGMOIDS),
        (_LOGITS,),
    ),
    NetworkTable(
        "VII",
        "configuration 2, generator, 96x96",
        "layers",
        "dcgan_generator",
        (
            ("fully connected", "", "", "", "1*6*6*1024"),
            NORM,
            RELU,
            _up(1, 5, 1024, 512),
            NORM,
            RELU,
            _up(2, 5, 512, 256),
            NORM,
            RELU,
            _up(3, 5, 256, 128),
            NORM,
            RELU,
            _up(4, 5, 128, 3),
            TANH,
        ),
    ),
    NetworkTable(
        "VIII",
        "configuration 2, discriminator, 96x96",
        "layers",
        "dcgan_discriminator",
        (
            *_down(1, 3, 64),
            *_down(2, 64, 128),
            *_down(3, 128, 256),
            *_down(4, 256, 512),
            HEAD,
            *SIGMOIDS,
        ),
        (_LOGITS,),
    ),
)
