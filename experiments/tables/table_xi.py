"""Table XI: valence/arousal loss x expression loss x learning rate (paper Section V-B).

Paper: best is CCC + cross entropy + 1e-3: CCC 0.616 / 0.510, accuracy 0.645,
F1 0.643 weighted, 0.514 unweighted (the table's F1 headers are swapped: ERRATA).
Command: python experiments/run.py --table XI
"""

from itertools import product

from kaffect.studies.experiment import Row, Table

VA_LOSSES = {"ccc": "CCC", "mse": "MSE"}
EXPRESSION_LOSSES = {
    "cross_entropy": ("cross entropy", "CE"),
    "mse_before_softmax": ("MSE before softmax", "MSE pre"),
    "mse_after_softmax": ("MSE after softmax", "MSE post"),
}
LEARNING_RATES = {"1e-4": 1e-4, "1e-3": 1e-3}


def row(va: str, expression: str, rate: str) -> Row:
    """One combination."""
    long, short = EXPRESSION_LOSSES[expression]
    return Row(
        f"{VA_LOSSES[va]} + {long}, {rate}",
        f"{VA_LOSSES[va]} + {short} {rate}",
        {
            "loss.va": va,
            "loss.expression": expression,
            "train.learning_rate": LEARNING_RATES[rate],
        },
    )


TABLE = Table(
    name="XI",
    study="recognition",
    title="Loss functions and learning rates of the VGGFACE-GRU-attention network",
    section="V-B",
    rows=tuple(row(*names) for names in product(VA_LOSSES, EXPRESSION_LOSSES, LEARNING_RATES)),
    expected="CCC 0.616 / 0.510, accuracy 0.645, F1 0.643 / 0.514 (Aff-Wild, row 2)",
    cost=(
        "smoke: under 1 minute; demo: three seeds in about 30 processor minutes; "
        "paper: with Aff-Wild and a GPU"
    ),
    row_minutes={"smoke": 0.2, "demo": 0.6},
    link="https://arxiv.org/abs/1811.07771",
    legend=(
        "Valence/arousal loss + expression loss, learning rate. CE: cross entropy; "
        "pre, post: MSE before or after the softmax."
    ),
)
