"""The columns of Tables A1 to A5 and their values (second study, Equations 1 to 3)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from kaffect.metrics import abaw1_au_of, abaw1_expression_of, p_mtl
from kaffect.studies.options import CRITERIA

# Term of the loss -> column.
LOSSES = {"valence_arousal": "loss_va", "expression": "loss_expr", "action_units": "loss_au"}
_LEGENDS = {
    "p_va": "P_VA: mean CCC",
    "p_expr": "P_EXPR: F1 averaged over all classes",
    "p_au": "P_AU: mean F1 of the units",
    "p_mtl": "P_MTL: their sum",
    "abaw1_expr": "ABAW-1 EXPR: 0.67 F1 + 0.33 accuracy",
    "abaw1_au": "ABAW-1 AU: 0.5 mean F1 of the units + 0.5 accuracy of all entries",
    "loss_va": "Loss: on validation, of the checkpoint that is scored, by the row's own formulas "
    "(the study: 0.0046, 0.0002, 0.0038)",
    "epochs": "Epochs: until the validation score first had 95 % of its best value",
}


def shown_metrics(
    wanted: Sequence[str], known: Collection[str], criteria: str = "official"
) -> tuple[str, ...]:
    """The columns of a table.

    Args:
        wanted: the table's metrics; where it has F1 of units, units of the data join them.
        known: metrics that the study prints or that were measured; others get no column.
        criteria: a key of `CRITERIA`.
    """
    names: list[str] = []
    units = sorted((n for n in known if n.startswith("f1_au")), key=lambda n: int(n[5:]))
    for name in wanted:
        if name.startswith("f1_au"):
            names += [unit for unit in units if unit not in names]
        else:
            found = CRITERIA[criteria].get(name, name)
            names += [found] if found in known and found is not None else []
    return tuple(names)


def epochs_to_95_percent(history: Sequence[Mapping[str, Any]], every: int) -> float:
    """Epochs of `every` steps until the validation score first reached 95 % of its maximum.

    Args:
        history: an entry for each validation pass, with `step` and `validation` (with `score`).
    """
    best = max(entry["validation"]["score"] for entry in history)
    wanted = min(0.95 * max(best, 0.0), best)
    first = next(entry for entry in history if entry["validation"]["score"] >= wanted)
    return round(first["step"] / every, 2)


def with_columns(run: Mapping[str, Any]) -> dict[str, Any]:
    """A record with epochs and validation losses among its metrics.

    One that is not validated on validation frames loses its validation score: it is of other
    frames than those of the rows beside it, and must not be called better than they.
    """
    baseline, validation = isinstance(run["row"], str), run.get("validation") or {}
    metrics = with_criteria(run["metrics"]) if baseline else dict(run["metrics"])
    if "epochs_to_95_percent" in run:
        metrics["epochs"] = run["epochs_to_95_percent"]
    for term, column in LOSSES.items():
        if f"loss_{term}" in validation:
            metrics[column] = validation[f"loss_{term}"]
    found = {**run, "metrics": metrics}
    if run.get("config", {}).get("data", {}).get("scored") == "next":
        found["validation"] = {}
    return found


def with_criteria(metrics: Mapping[str, float]) -> dict[str, float]:
    """The scores of a baseline, with every challenge criterion that can be computed from them."""
    found = dict(metrics)
    if "ccc_valence" in found:
        found["p_va"] = (found["ccc_valence"] + found["ccc_arousal"]) / 2
    if "f1_macro_all" in found:
        found["p_expr"] = found["f1_macro_all"]
        found["abaw1_expr"] = abaw1_expression_of(found["f1_macro_all"], found["accuracy"])
    if "au_f1_macro" in found:
        found["p_au"] = found["au_f1_macro"]
        found["abaw1_au"] = abaw1_au_of(found["au_f1_macro"], found["au_accuracy"])
    if {"p_va", "p_expr", "p_au"} <= found.keys():
        found["p_mtl"] = p_mtl(found["p_va"], found["p_expr"], found["p_au"])
    return found


def legend(metrics: Sequence[str]) -> list[str]:
    """What the columns mean, as one note."""
    found = [text for name, text in _LEGENDS.items() if name in metrics]
    return ["; ".join(found) + "."] if found else []
