"""Generated faces as single pictures with a list of labels (paper's conclusion, "enrichment").

The labels are what the GAN's own discriminator says, so they are only as good as it is.
"""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from kaffect.data.prepared.stills import Stills, StillSet
from kaffect.errors import ConfigError, expected_received
from kaffect.files import atomic_directory, safe_join, write_text
from kaffect.labels import VALENCE_AROUSAL, LabelSpace
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


def write_faces(
    out: str | Path,
    faces: GeneratedFaces,
    seed: int,
    least: float = 0.0,
    beside: StillSet | None = None,
) -> int:
    """Write each face as PNG below `out`, and `faces.csv`, which `--data` takes; their number.

    The columns are those of a list of stills, all for training: valence and arousal (brought
    into [-1, 1]), 0 or 1 for each Action Unit; then `confidence` and `seed`.

    Args:
        out: a folder that is not there yet, or is empty.
        seed: of the latent vectors.
        least: faces with less confidence are left out.
        beside: real pictures, which are copied and listed too, each in its split.

    Raises:
        ConfigError: there is something in the folder, no face is left, `least` is not between 0
            and 1, or the real pictures are labelled with other Action Units.
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
    with atomic_directory(out) as folder:
        rows = list(_copied(beside, folder, names)) if beside is not None else []
        for number in kept:
            judged, path = faces.judged[number], f"faces/{seed}-{number + 1:06d}.png"
            write_image(folder / path, faces.images[number])
            labels = {name: _label(name, judged[name]) for name in names}
            about = {"split": "train", "confidence": f"{sure[number]:.6f}", "seed": str(seed)}
            rows.append({"path": path, **labels, **about})
        expression = ["expression"] if beside is not None else []
        columns = ["path", *names, *expression, "split", "confidence", "seed"]
        text = io.StringIO()
        table = csv.DictWriter(text, columns, restval="", lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
        write_text(folder / LIST, text.getvalue())
    return len(kept)


def _copied(real: StillSet, folder: Path, names: Sequence[str]) -> Iterator[dict[str, str]]:
    """Copy the real pictures below `folder`; the row of each."""
    units = tuple(name for name in names if name not in VALENCE_AROUSAL)
    labelled = any("au" in part.tasks for part in real.splits.values())
    if labelled and units and real.space.action_units != units:
        what = f"--beside {real.path}: Action Units"
        received = ", ".join(real.space.action_units)
        raise ConfigError(
            expected_received(what, f"those of the GAN, {', '.join(units)}", received)
        )
    for split, part in real.splits.items():
        for place, name in enumerate(real.names(split)):
            path = safe_join(folder, f"real/{name}")
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(part.paths[place], path)
            yield {"path": f"real/{name}", "split": split, **_labels(part, place, real.space)}


def _labels(part: Stills, place: int, space: LabelSpace) -> dict[str, str]:
    """The labels that a picture has, by column."""
    found: dict[str, str] = {}
    if part.va_valid[place]:
        found |= {n: f"{v:.6f}" for n, v in zip(VALENCE_AROUSAL, part.valence_arousal[place])}
    if part.expression_valid[place]:
        found["expression"] = space.expressions[part.expression[place]]
    if part.au_valid[place]:
        found |= {n: str(v) for n, v in zip(space.action_units, part.action_units[place])}
    return found


def _label(name: str, value: float) -> str:
    if name in VALENCE_AROUSAL:
        return f"{min(max(value, -1.0), 1.0):.6f}"
    return str(int(value >= _ACTIVE))
