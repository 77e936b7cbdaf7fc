"""Table X: alpha and beta of Equation 6, with the best losses of Table XI (paper Section V-B).

Paper: best is (0.5, 0.5). Rows (0.5, 0.5), (0.75, 0.75) and (1, 1) differ only
in the scale of the loss, to which Adam is nearly blind: their spread measures
the noise of a single run (DECISIONS).
Command: python experiments/run.py --table X
"""

from experiments.definitions import Row, Table
from kaffect.config import LossConfig

WEIGHTS = (
    (0.0, 1.0, "only expressions"),
    (1.0, 0.0, "only VA"),
    (0.25, 0.75, ""),
    (0.75, 0.25, ""),
    (0.5, 0.5, ""),
    (0.75, 0.75, ""),
    (1.0, 1.0, ""),
)

TABLE = Table(
    name="X",
    title="Weights alpha and beta of the two losses",
    section="V-B",
    rows=tuple(
        Row(
            label=f"({alpha:g}, {beta:g})" + (f" {note}" if note else ""),
            loss=LossConfig("ccc", "cross_entropy", alpha, beta),
            learning_rate=1e-3,
        )
        for alpha, beta, note in WEIGHTS
    ),
    expected="CCC 0.616 / 0.510, accuracy 0.645, F1 0.643 / 0.514 (Aff-Wild, row 5)",
    cost="smoke: under 1 minute; demo: under 15 minutes on 2 cores; paper: with Aff-Wild and a GPU",
)
