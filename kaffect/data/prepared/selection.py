"""Which annotated frames the paper's experiments keep (Section II-D).

Serves `data.select` (what is trained on) and `data.scored` (what is scored): a part of Aff-Wild
consists of the frames with a label of that part's own task. Of the frames on which no Action
Unit is active, the paper keeps some; which ones it does not say.
"""

from __future__ import annotations

import numpy as np

from kaffect.data.annotations.columns import LabelColumns

# Frames of the Action Unit part without any active unit, and with one (Sections II-B, II-D.1).
INACTIVE_KEPT, ACTIVE = 40_702, 139_298


def kept_frames(
    labels: LabelColumns,
    usable: np.ndarray,
    track: np.ndarray,
    frame: np.ndarray,
    part: str,
    seed: int,
) -> np.ndarray:
    """The frames that Section II-D keeps.

    Args:
        labels: of n frames.
        usable: [n] bool, the frames that may be kept: those with a face.
        track, frame: [n] whole numbers, where each frame is.
        part: 'expression', 'au' or 'va', whose own label a frame needs; 'all': any label.
        seed: of the choice among frames without an active Action Unit.

    Returns:
        [n] bool. In part 'au' every frame with an active unit, and of the others 40,702 to each
        139,298 of those (or all of them, where there are fewer): runs of consecutive frames in
        random order, each of them whole but the last, which is cut at the number wanted.
    """
    own = labels.labelled() if part == "all" else labels.valid(part)
    kept = own & usable
    if part != "au":
        return kept
    active = kept & np.asarray(labels.action_units).astype(bool).any(axis=1)
    wanted = round(int(active.sum()) * INACTIVE_KEPT / ACTIVE)
    active[_runs(np.flatnonzero(kept & ~active), track, frame, wanted, seed)] = True
    return active


def _runs(
    places: np.ndarray, track: np.ndarray, frame: np.ndarray, wanted: int, seed: int
) -> np.ndarray:
    """`wanted` of `places` in random whole runs of consecutive frames of a track."""
    if len(places) <= wanted:
        return places
    places = places[np.lexsort((frame[places], track[places]))]
    new = np.diff(track[places]).astype(bool) | (np.diff(frame[places]) != 1)
    runs = np.split(places, np.flatnonzero(new) + 1)
    order = np.random.default_rng(seed).permutation(len(runs))
    return np.concatenate([runs[number] for number in order])[:wanted]
