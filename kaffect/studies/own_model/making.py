"""From a seed to the export of the project's own network: what `scripts/train_own_model` runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kaffect.progress import ProgressDisplay
from kaffect.studies.own_model.exporting import export_own_model
from kaffect.studies.own_model.faces import Faces, render_faces
from kaffect.studies.own_model.train import OwnModelSettings, build_network, train


def make(seed: int, work: Path, out: Path, processes: int = 2, notes: Sequence[str] = ()) -> Path:
    """Render, train, score on rendered test people, export.

    Args:
        work: folder of the pictures and of the state of the training; kept.
        out: folder NAME/VERSION of the export; must not exist.
        notes: for the card.

    Returns:
        `out`.
    """
    settings = OwnModelSettings(seed=seed)
    faces = _rendered(settings, work / "faces", processes)
    training, validation, test = _parts(faces, settings)
    network = build_network(settings)
    with ProgressDisplay(0, "training", "update") as display:

        def report(done: int, total: int, scores: str) -> None:
            display.total = total
            display.report(scores, done) if scores else display.update(done - display.done)

        chosen = train(network, training, validation, settings, work, report)
    return export_own_model(network, out, settings, chosen, test, notes)


def _rendered(settings: OwnModelSettings, folder: Path, processes: int) -> Faces:
    count = settings.pictures + 2 * settings.held_out
    with ProgressDisplay(count, "rendering", "face") as display:
        return render_faces(
            folder, count, settings.seed, processes, lambda n: display.update(n - display.done)
        )


def _parts(faces: Faces, settings: OwnModelSettings) -> tuple[Faces, Faces, Faces]:
    """People to train on, to validate and to test; nobody is in two parts."""
    first, second = settings.pictures, settings.pictures + settings.held_out
    return (
        faces.part(slice(0, first)),
        faces.part(slice(first, second)),
        faces.part(slice(second, None)),
    )
