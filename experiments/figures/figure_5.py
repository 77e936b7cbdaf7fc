"""Figure 5: the VGGFACE-GRU-attention network (paper Section IV-B), drawn from what is built.

Command: python experiments/run.py --figure 5
"""

from kaffect.studies.experiment import Figure

FIGURE = Figure(
    "5",
    "the VGGFACE-GRU-attention network",
    "recognition",
    "kaffect.studies.recognition.figure:figure_5",
    ("profile", "out", "dry_run", "implementation"),
)
