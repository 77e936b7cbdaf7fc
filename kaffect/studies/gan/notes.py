"""What the report of Table IX says beside its figures: the generators' quality, thresholds, alarms
(the paper's Section V-A.2 shows pictures only)."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from kaffect.studies.gan.quality import FEATURES_NOTE
from kaffect.studies.results import is_row

Record = Mapping[str, Any]
_MEASURES = ("fid", "kid", "precision", "recall")


def _latest(records: Sequence[Record]) -> list[Record]:
    """The newest record of each trained row and seed, of those with the newest one's settings."""
    trained = [r for r in records if is_row(r)]
    settings = {r["row"]: r.get("settings_hash") for r in trained}
    found = {
        (r["row"], r["seed"]): r for r in trained if r.get("settings_hash") == settings[r["row"]]
    }
    return [found[key] for key in sorted(found)]


def quality_notes(records: Sequence[Record]) -> list[str]:
    """One line for each row whose generator was measured, and one about the features."""
    measured = [r for r in _latest(records) if r.get("quality")]
    if not measured:
        return []
    real = measured[-1]["quality"]
    lines = [
        f"{FEATURES_NOTE} {real['faces']} generated faces were compared with as many training "
        f"faces. Real faces of the {measured[-1]['scored_split']} split reach: "
        + _figures([real["real_faces"]])
        + "."
    ]
    for row in sorted({r["row"] for r in measured}):
        own = [r["quality"] for r in measured if r["row"] == row]
        lines.append(f"Generator of row {row} (n={len(own)}): {_figures(own)}.")
    return lines


def _figures(values: Sequence[Mapping[str, float]]) -> str:
    parts = []
    for name in _MEASURES:
        shown = name.upper() if name in ("fid", "kid") else name
        parts.append(f"{shown} {_mean([value[name] for value in values], 2)}")
    return ", ".join(parts)


def _mean(values: Sequence[float], digits: int) -> str:
    """Mean, and the sample standard deviation where there are several."""
    spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.{digits}f}{spread}"


def half_notes(records: Sequence[Record]) -> list[str]:
    """Rows whose thresholds were chosen on validation: their Action Units at probability 0.5."""
    chosen = [r for r in _latest(records) if r.get("metrics_at_half")]
    lines = []
    for row in sorted({r["row"] for r in chosen}):
        own = [r["metrics_at_half"] for r in chosen if r["row"] == row]
        f1, accuracy = (_mean([m[k] for m in own], 3) for k in ("au_f1_macro", "au_accuracy"))
        lines.append(
            f"Row {row} with probability 0.5 for every Action Unit instead of thresholds "
            f"chosen on validation (n={len(own)}): macro F1 {f1}, accuracy {accuracy}."
        )
    return lines


def alarm_notes(records: Sequence[Record]) -> list[str]:
    """The collapse alarms of each run."""
    return [
        f"Alarm, row {r['row']}, seed {r['seed']}: {text}."
        for r in _latest(records)
        for text in r.get("alarms", ())
    ]
