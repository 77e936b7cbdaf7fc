"""What is annotated (paper Sections I and II): valence/arousal, Action Units and basic expressions.

One frozen `LabelSpace` per database; every reader, network head and report
takes its class order from here.
"""

from __future__ import annotations

from dataclasses import dataclass

VALENCE_AROUSAL = ("valence", "arousal")
VALENCE_AROUSAL_RANGE = (-1.0, 1.0)

# The releases of the databases mark a frame without a label so.
MISSING_VALENCE_AROUSAL = -5.0
MISSING_EXPRESSION = -1
MISSING_ACTION_UNIT = -1

EXPRESSIONS_7 = ("Neutral", "Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise")
EXPRESSIONS_8 = EXPRESSIONS_7 + ("Other",)
ACTION_UNITS_8 = ("AU1", "AU2", "AU4", "AU6", "AU12", "AU15", "AU20", "AU25")
ACTION_UNITS_12 = (
    "AU1", "AU2", "AU4", "AU6", "AU7", "AU10", "AU12", "AU15", "AU23", "AU24", "AU25", "AU26",
)  # fmt: skip

TASKS = ("va", "expression", "au")


@dataclass(frozen=True)
class LabelSpace:
    """The classes of one database, in the order of its annotation files.

    Attributes:
        name: how manifests and reports call it.
        expressions: expression names; a label is an index into them.
        action_units: Action Unit names; a label is 0 or 1 for each.
    """

    name: str
    expressions: tuple[str, ...]
    action_units: tuple[str, ...]


AFF_WILD = LabelSpace("aff-wild", EXPRESSIONS_7, ACTION_UNITS_8)
AFF_WILD2 = LabelSpace("aff-wild2", EXPRESSIONS_8, ACTION_UNITS_12)
LABEL_SPACES = {space.name: space for space in (AFF_WILD, AFF_WILD2)}

# FACS names (Ekman and Friesen 1978), for captions and reports.
ACTION_UNIT_NAMES = {
    "AU1": "inner brow raiser",
    "AU2": "outer brow raiser",
    "AU4": "brow lowerer",
    "AU5": "upper lid raiser",
    "AU6": "cheek raiser",
    "AU7": "lid tightener",
    "AU9": "nose wrinkler",
    "AU10": "upper lip raiser",
    "AU12": "lip corner puller",
    "AU15": "lip corner depressor",
    "AU17": "chin raiser",
    "AU20": "lip stretcher",
    "AU23": "lip tightener",
    "AU24": "lip pressor",
    "AU25": "lips part",
    "AU26": "jaw drop",
}
