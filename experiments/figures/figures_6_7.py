"""Figures 6 and 7: all training subjects, and generated faces (paper Section V-A.2).

Command: python experiments/run.py --figure 6   (or 7)
"""

from kaffect.studies.experiment import Figure
from kaffect.studies.options import PICTURE, TREE

_SEVEN = ("resume", "precision", "set", "configuration", "kernel", "model")

FIGURES = (
    Figure(
        "6",
        "all training subjects of the Action Unit videos",
        "gan",
        "kaffect.studies.gan.figures:figure_6",
        (*PICTURE, *TREE),
    ),
    Figure(
        "7",
        "faces that the GAN of Table IX generates",
        "gan",
        "kaffect.studies.gan.figures:figure_7",
        (*PICTURE, *TREE, *_SEVEN),
    ),
)
