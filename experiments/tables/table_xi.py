"""Table XI: valence/arousal loss x expression loss x learning rate (paper Section V-B).

Paper: best is CCC + cross entropy + 1e-3: CCC 0.616 / 0.510, accuracy 0.645,
F1 0.643 weighted, 0.514 unweighted (the table's F1 headers are swapped: ERRATA).
Command: python experiments/run.py --table XI
"""

from experiments.definitions import Row, Table
from kaffect.config import LossConfig

VA_LOSSES = {"ccc": "CCC", "mse": "MSE"}
EXPRESSION_LOSSES = {
    "cross_entropy": "cross entropy",
    "mse_before_softmax": "MSE before softmax",
    "mse_after_softmax": "MSE after softmax",
}
LEARNING_RATES = {1e-4: "1e-4", 1e-3: "1e-3"}

TABLE = Table(
    name="XI",
    title="Loss functions and learning rates of the VGGFACE-GRU-attention network",
    section="V-B",
    rows=tuple(
        Row(
            label=f"{va_name} + {expression_name}, {rate_name}",
            loss=LossConfig(va_loss=va, expression_loss=expression, alpha=0.5, beta=0.5),
            learning_rate=rate,
        )
        for va, va_name in VA_LOSSES.items()
        for expression, expression_name in EXPRESSION_LOSSES.items()
        for rate, rate_name in LEARNING_RATES.items()
    ),
    expected="CCC 0.616 / 0.510, accuracy 0.645, F1 0.643 / 0.514 (Aff-Wild, row 2)",
    cost="smoke: under 1 minute; demo: under 15 minutes on 2 cores; paper: with Aff-Wild and a GPU",
)
