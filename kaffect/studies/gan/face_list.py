"""Generated faces as single pictures with a list of labels (paper's conclusion, "enrichment").

The labels are what the GAN's own discriminator says, so they are only as good as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kaffect.errors import ConfigError, expected_received
from kaffect.files import atomic_directory, write_text
from kaffect.labels import VALENCE_AROUSAL
from kaffect.studies.gan.generation import GeneratedFaces
from kaffect.studies.image_grids import write_image

LIST = "faces.csv"
_ACTIVE = 0.5


def confidence(judged: Mapping[str, float]) -> float:
    """How sure the discriminator is of a face's Action Units: the mean of max(p, 1 - p).

    From 0.5 to 1; of a face without Action Units the probability that it is real.
    """
    units = [p for name, p in judged.items() if name not in (*VALENCE_AROUSAL, "fake")]
    if not units:
        return 1.0 - judged["fake"]
    return float(np.mean([max(p, 1.0 - p) for p in units]))


def write_faces(out: str | Path, faces: GeneratedFaces, seed: int, least: float = 0.0) -> int:
    """Write each face as PNG below `out`, and `faces.csv`, which `--data` takes; their number.

    The columns are those of a list of stills, all for training: valence and arousal (brought
    into [-1, 1]), 0 or 1 for each Action Unit; then `confidence` and `seed`.

    Args:
        out: a folder that is not there yet, or is empty.
        seed: of the latent vectors.
        least: faces with less confidence are left out.

    Raises:
        ConfigError: there is something in the folder, no face is left, or `least` is not
            between 0 and 1.
    """
    out = Path(out)
    if not 0 <= least <= 1:
        raise ConfigError(expected_received("--confidence", "0 to 1", least))
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"--out {out}: expected a new or empty folder; there is something in it")
    sure = [confidence(judged) for judged in faces.judged]
    kept = [number for number, value in enumerate(sure) if value >= least]
    if not kept:
        raise ConfigError(
            expected_received("--confidence", f"at most {max(sure):.3f}, the highest here", least)
        )
    names = [name for name in faces.judged[0] if name != "fake"]
    lines = [",".join(["path", *names, "split", "confidence", "seed"])]
    with atomic_directory(out) as folder:
        for number in kept:
            judged, path = faces.judged[number], f"faces/{seed}-{number + 1:06d}.png"
            write_image(folder / path, faces.images[number])
            labels = [_label(name, judged[name]) for name in names]
            lines.append(",".join([path, *labels, "train", f"{sure[number]:.6f}", str(seed)]))
        write_text(folder / LIST, "\n".join(lines) + "\n")
    return len(kept)


def _label(name: str, value: float) -> str:
    if name in VALENCE_AROUSAL:
        return f"{min(max(value, -1.0), 1.0):.6f}"
    return str(int(value >= _ACTIVE))
