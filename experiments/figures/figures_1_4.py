"""Figures 1 to 4: the labels of the annotated parts (paper Section II), drawn of your data.

Command: python experiments/run.py --figure 1 [--data DIR]   (or 2, 3, 4)
"""

from kaffect.studies.experiment import Figure
from kaffect.studies.options import COUNTS

_DRAW = "kaffect.studies.data_tables:run_figure"

FIGURES = (
    Figure("1", "faces in the valence-arousal plane, and AUs", "data", _DRAW, COUNTS),
    Figure("2", "valence and arousal of the AU videos", "data", _DRAW, COUNTS),
    Figure("3", "histogram of the expressions", "data", _DRAW, COUNTS),
    Figure("4", "valence and arousal, expression videos", "data", _DRAW, COUNTS),
)
