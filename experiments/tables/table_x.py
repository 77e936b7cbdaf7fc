"""Table X: alpha and beta of Equation 6, with the best losses of Table XI (paper Section V-B).

Paper: best is (0.5, 0.5). Rows (0.5, 0.5), (0.75, 0.75) and (1, 1) differ only
in the scale of the loss, to which Adam is nearly blind: their spread measures
the noise of a single run (DECISIONS).
Command: python experiments/run.py --table X
"""

from kaffect.studies.experiment import Row, Table

WEIGHTS = (
    (0.0, 1.0, " only expressions"),
    (1.0, 0.0, " only VA"),
    (0.25, 0.75, ""),
    (0.75, 0.25, ""),
    (0.5, 0.5, ""),
    (0.75, 0.75, ""),
    (1.0, 1.0, ""),
)


def row(alpha: float, beta: float, note: str) -> Row:
    """One pair of weights."""
    label = f"({alpha:g}, {beta:g}){note}"
    return Row(label, label, {"loss.va_weight": alpha, "loss.expression_weight": beta})


TABLE = Table(
    name="X",
    study="recognition",
    title="Weights alpha and beta of the two losses",
    section="V-B",
    rows=tuple(row(*weights) for weights in WEIGHTS),
    expected="CCC 0.616 / 0.510, accuracy 0.645, F1 0.643 / 0.514 (Aff-Wild, row 5)",
    cost=(
        "smoke: under 1 minute; demo: a seed in under 15 minutes on 2 cores; "
        "paper: with Aff-Wild and a GPU"
    ),
    row_minutes={"smoke": 0.2, "demo": 0.6},
    link="https://arxiv.org/abs/1811.07771",
    legend="Weights (alpha, beta) of Eq. 6, with CCC, cross entropy and learning rate 1e-3.",
)
