"""Three simulated annotators who lag and disagree a little (paper Section III-B to III-D).

Valence and arousal are averaged. A unit counts where all three mark it, and an
expression only where all three name the same one; otherwise it is missing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kaffect.labels import (
    MISSING_ACTION_UNIT,
    MISSING_EXPRESSION,
    MISSING_VALENCE_AROUSAL,
    LabelSpace,
)
from kaffect.synthetic.affect import Affect, Array, smooth_noise
from kaffect.synthetic.prototypes import DRAWN_UNITS, REACTIONS, UNIT_THRESHOLDS

ANNOTATORS = 3
_OFF, _ON = 0.18, 0.34  # strength below which a face is Neutral, above which it shows its reaction


@dataclass(frozen=True)
class Labels:
    """What the annotation files of one track hold.

    Attributes:
        valence_arousal: [frames, 2] in [-1, 1], -5 both where missing.
        expression: [frames] class number, -1 where missing.
        action_units: [frames, units] 0 or 1, a whole row -1 where missing.
        alone: what each annotator said before the labels were merged.
    """

    valence_arousal: Array
    expression: NDArray[np.int32]
    action_units: NDArray[np.int32]
    alone: tuple[Labels, ...] = ()


def annotate(
    rng: np.random.Generator,
    times: Array,
    affect: Affect,
    space: LabelSpace,
    present: NDArray[np.bool_],
) -> Labels:
    """Labels of one track; frames without a face and a few others have none.

    Args:
        times: [frames] float64, seconds, evenly spaced.
        present: [frames] bool, whether a face is seen.
    """
    traces, marks, names = [], [], []
    for _ in range(ANNOTATORS):
        lag = float(rng.uniform(0.03, 0.15))
        traces.append(_trace(rng, times, affect, lag))
        marks.append(_marks(rng, times, affect, space, float(rng.uniform(-0.03, 0.06))))
        names.append(_names(rng, times, affect, space, float(rng.uniform(-0.03, 0.06))))
    missing = [~(present & ~_gaps(rng, times, share)) for share in (0.02, 0.03, 0.03)]
    agreed = (names[0] == names[1]) & (names[1] == names[2])
    expression = np.where(agreed, names[0], MISSING_EXPRESSION).astype(np.int32)
    merged = _labels(np.mean(traces, axis=0), expression, np.min(marks, axis=0), missing)
    alone = [_labels(t, n, m, missing) for t, n, m in zip(traces, names, marks)]
    return replace(merged, alone=tuple(alone))


def _labels(
    trace: Array,
    expression: NDArray[np.int32],
    marks: NDArray[Any],
    missing: list[NDArray[np.bool_]],
) -> Labels:
    """Values as they are written, -5 and -1 where `missing` (of each task)."""
    valence_arousal = np.clip(trace, -1, 1).round(3)
    expression, units = expression.copy(), marks.astype(np.int32)
    valence_arousal[missing[0]] = MISSING_VALENCE_AROUSAL
    expression[missing[1]] = MISSING_EXPRESSION
    units[missing[2]] = MISSING_ACTION_UNIT
    return Labels(valence_arousal, expression, units)


def _late(times: Array, values: Array, lag: float) -> Array:
    return np.interp(times - lag, times, values)


def _trace(rng: np.random.Generator, times: Array, affect: Affect, lag: float) -> Array:
    gain, bias = rng.uniform(0.92, 1.08, 2), rng.normal(0, 0.03, 2)
    noise = 0.035 * smooth_noise(rng, times, 0.4, 2)
    seen = np.stack([_late(times, affect.valence_arousal[:, k], lag) for k in range(2)], axis=1)
    return seen * gain + bias + noise


def _marks(
    rng: np.random.Generator, times: Array, affect: Affect, space: LabelSpace, lag: float
) -> NDArray[np.bool_]:
    columns = []
    for name in space.action_units:
        threshold = UNIT_THRESHOLDS[name] * float(rng.uniform(0.88, 1.12))
        columns.append(_late(times, affect.units[:, DRAWN_UNITS.index(name)], lag) > threshold)
    return np.stack(columns, axis=1)


def _names(
    rng: np.random.Generator, times: Array, affect: Affect, space: LabelSpace, lag: float
) -> NDArray[np.int32]:
    """One annotator's class of each frame; 7 classes have no "Other", which is then -1."""
    reactions = tuple(REACTIONS.values())
    code = np.array([
        space.expressions.index(r.name) if r.name in space.expressions else MISSING_EXPRESSION
        for r in reactions
    ])  # fmt: skip
    neutral = space.expressions.index("Neutral")
    step = float(times[1] - times[0])
    shift = round(lag / step)
    at = np.clip(np.arange(len(times)) - shift, 0, len(times) - 1)
    strength, kind = affect.strength[at], affect.reaction[at]
    limit = float(rng.uniform(_OFF, _ON))
    # "Other" is a judgement: whoever looks less closely calls a weak one Neutral.
    return np.where(strength > limit, code[kind], neutral).astype(np.int32)


def _gaps(rng: np.random.Generator, times: Array, share: float) -> NDArray[np.bool_]:
    """Frames that nobody annotated: stretches of half a second, `share` of all on average."""
    gap = np.zeros(len(times), bool)
    for _ in range(rng.poisson(share * (times[-1] - times[0]) / 0.5)):
        begin = float(rng.uniform(times[0], times[-1]))
        gap |= (times >= begin) & (times < begin + 0.5)
    return gap
