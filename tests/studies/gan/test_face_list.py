"""Lists of generated faces: labels, selection, and real pictures beside them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from kaffect.data.prepared.stills import read_stills
from kaffect.errors import ConfigError
from kaffect.labels import ACTION_UNITS_8, ACTION_UNITS_12
from kaffect.studies.gan.face_list import LIST, confidence, write_faces
from kaffect.studies.gan.generation import GeneratedFaces


def faces(count: int = 4) -> GeneratedFaces:
    """The first unit has probability 0.9, 0.8, 0.7, ...; all others 0.1."""
    images = np.random.default_rng(0).integers(0, 255, (count, 8, 8, 3)).astype(np.uint8)
    judged = []
    for number in range(count):
        units = {name: 0.1 for name in ACTION_UNITS_8} | {ACTION_UNITS_8[0]: 0.9 - 0.1 * number}
        judged.append({"valence": 1.5, "arousal": -0.25, **units, "fake": 0.4})
    return GeneratedFaces(images, np.zeros((count, 100)), tuple(judged))


@pytest.fixture
def real(tmp_path: Path) -> Path:
    """Forty pictures without a validation split, some labels missing."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    lines = [f"path,valence,arousal,expression,{','.join(ACTION_UNITS_8)}"]
    for number in range(40):
        name = f"{number}, smiling" if number == 1 else str(number)
        cv2.imwrite(str(folder / f"{name}.png"), np.full((6, 6), number, np.uint8))
        units = ",".join(str(int(number % 2 == place % 2)) for place in range(8))
        va = f"{number / 40},-0.5" if number % 3 else ","
        lines.append(f'"{name}.png",{va},{"Fear" if number % 5 else ""},{units}')
    (folder / "list.csv").write_text("\n".join(lines) + "\n")
    return folder / "list.csv"


def test_pictures_and_labels_of_the_discriminator(tmp_path: Path) -> None:
    made = faces()
    assert write_faces(tmp_path / "out", made, seed=7) == 4
    found = read_stills(tmp_path / "out" / LIST, hold_out=False).splits["train"]
    np.testing.assert_allclose(found.valence_arousal, [[1.0, -0.25]] * 4)  # brought into range
    assert found.action_units[:, 0].tolist() == [1, 1, 1, 1]
    assert not found.action_units[:, 1:].any() and not found.expression_valid.any()
    for path, image in zip(found.paths, made.images):
        np.testing.assert_array_equal(cv2.imread(str(path))[..., ::-1], image)


def test_only_faces_of_whose_units_the_discriminator_is_sure(tmp_path: Path) -> None:
    made = faces()
    sure = [confidence(judged) for judged in made.judged]
    np.testing.assert_allclose(sure, [(p + 7 * 0.9) / 8 for p in (0.9, 0.8, 0.7, 0.6)])
    assert write_faces(tmp_path / "out", made, 7, least=0.88) == 2
    with pytest.raises(ConfigError, match="at most 0.900, the highest here. Received: 0.95"):
        write_faces(tmp_path / "none", made, 7, least=0.95)
    assert not (tmp_path / "none").exists()
    with pytest.raises(ConfigError, match="expected a new or empty folder"):
        write_faces(tmp_path / "out", made, 7)


def test_real_pictures_keep_labels_and_splits_beside_generated_ones(
    tmp_path: Path, real: Path
) -> None:
    alone = read_stills(real)
    write_faces(tmp_path / "out", faces(), 7, beside=alone)
    joined = read_stills(tmp_path / "out" / LIST)
    assert len(joined.splits["train"]) == len(alone.splits["train"]) + 4
    # Nothing generated validates.
    assert len(joined.splits["validation"]) == len(alone.splits["validation"]) > 0
    for split, part in alone.splits.items():
        other = joined.splits[split]
        for name in ("valence_arousal", "va_valid", "expression", "expression_valid",
                     "action_units", "au_valid"):  # fmt: skip
            np.testing.assert_allclose(getattr(other, name)[: len(part)], getattr(part, name))
        for mine, copied in zip(part.paths, other.paths):
            assert mine.read_bytes() == copied.read_bytes()


def test_real_pictures_with_other_units_are_rejected(tmp_path: Path, real: Path) -> None:
    text = real.read_text().replace(",".join(ACTION_UNITS_8), ",".join(ACTION_UNITS_12[4:]))
    real.write_text(text)
    with pytest.raises(ConfigError, match="--beside.*those of the GAN, AU1, .*Received: "):
        write_faces(tmp_path / "out", faces(), 7, beside=read_stills(real))
    assert not (tmp_path / "out").exists()
