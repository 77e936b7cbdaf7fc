"""Tables I to IV: the parts of Aff-Wild annotated anew (paper Section II), counted on your data.

Command: python experiments/run.py --table I [--data DIR]   (or II, III, IV)
"""

from kaffect.studies.experiment import Experiment

TABLES = (
    Experiment("I", "the part annotated for Action Units", "data"),
    Experiment("II", "sample frames with their labels", "data"),
    Experiment("III", "frames with each Action Unit", "data"),
    Experiment("IV", "the part annotated for expressions", "data"),
)
