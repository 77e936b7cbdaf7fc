"""Names of the metrics in reports (Section V, and the second study's criteria)."""

from __future__ import annotations

from kaffect.labels import ACTION_UNIT_NAMES, EXPRESSIONS_8

# metric -> (name in wide tables, name in narrow tables, task)
METRICS = {
    "ccc_valence": ("CCC valence", "CCC-V", "va"),
    "ccc_arousal": ("CCC arousal", "CCC-A", "va"),
    "accuracy": ("Accuracy", "Acc.", "expression"),
    "f1_weighted": ("F1 weighted", "F1-w", "expression"),
    "f1_macro": ("F1 macro", "F1-m", "expression"),
    "au_f1_weighted": ("AU F1 weighted", "AU-F1w", "au"),
    "au_f1_macro": ("AU F1 macro", "AU-F1m", "au"),
    "au_accuracy": ("AU accuracy", "AU-acc", "au"),
    "p_va": ("P_VA", "P_VA", "va"),
    "p_expr": ("P_EXPR", "P_EXPR", "expression"),
    "p_au": ("P_AU", "P_AU", "au"),
    "p_mtl": ("P_MTL", "P_MTL", "all"),
    **{f"f1_{n.lower()}": (f"F1 {n}", n[:7], "expression") for n in EXPRESSIONS_8},
    **{f"f1_{n.lower()}": (f"F1 {n}", n, "au") for n in ACTION_UNIT_NAMES},
    "abaw1_expr": ("ABAW-1 EXPR", "AB-EXPR", "expression"),
    "abaw1_au": ("ABAW-1 AU", "AB-AU", "au"),
    "loss_va": ("Loss VA", "L-VA", "va"),
    "loss_expr": ("Loss EXPR", "L-EXPR", "expression"),
    "loss_au": ("Loss AU", "L-AU", "au"),
    "epochs": ("Epochs", "Epochs", "all"),
}
# Not between 0 and 1: no dot plot.
NOT_PLOTTED = ("epochs", "loss_va", "loss_expr", "loss_au")
