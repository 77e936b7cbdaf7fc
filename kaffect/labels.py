"""What is annotated (paper Sections I and II): valence/arousal, Action Units and basic expressions.

One frozen `LabelSpace` per database and one frozen `Task` per task. Every reader, network head
and report takes class order, marks, and the names of columns and folders from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

VALENCE_AROUSAL = ("valence", "arousal")
VALENCE_AROUSAL_RANGE = (-1.0, 1.0)

# How the releases of the databases mark a frame without a label.
MISSING_VALENCE_AROUSAL = -5.0
MISSING_EXPRESSION = -1
MISSING_ACTION_UNIT = -1

EXPRESSIONS_7 = ("Neutral", "Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise")
EXPRESSIONS_8 = EXPRESSIONS_7 + ("Other",)
ACTION_UNITS_8 = ("AU1", "AU2", "AU4", "AU6", "AU12", "AU15", "AU20", "AU25")
ACTION_UNITS_12 = (
    "AU1", "AU2", "AU4", "AU6", "AU7", "AU10", "AU12", "AU15", "AU23", "AU24", "AU25", "AU26",
)  # fmt: skip


@dataclass(frozen=True)
class Task:
    """Everything that one task is called.

    Attributes:
        name: in settings, options and dictionaries.
        title: in reports.
        folder: of its annotation files in a data tree.
        column: its labels in prepared data and in batches.
        valid: in prepared data, which of them are labels at all.
        mask: in batches, which of them count: labelled, with a face, not padding.
        missing: the mark of a frame without a label in annotation files.
    """

    name: str
    title: str
    folder: str
    column: str
    valid: str
    mask: str
    missing: float


VA = Task(
    name="va",
    title="Valence and arousal",
    folder="VA_Set",
    column="valence_arousal",
    valid="va_valid",
    mask="valence_arousal_mask",
    missing=MISSING_VALENCE_AROUSAL,
)
EXPRESSION = Task(
    name="expression",
    title="Expressions",
    folder="EXPR_Set",
    column="expression",
    valid="expression_valid",
    mask="expression_mask",
    missing=MISSING_EXPRESSION,
)
AU = Task(
    name="au",
    title="Action Units",
    folder="AU_Set",
    column="action_units",
    valid="au_valid",
    mask="action_units_mask",
    missing=MISSING_ACTION_UNIT,
)
TASK_BY_NAME = {task.name: task for task in (VA, EXPRESSION, AU)}
TASKS = tuple(TASK_BY_NAME)
LABEL_COLUMNS = tuple(n for task in TASK_BY_NAME.values() for n in (task.column, task.valid))

SPLITS = ("train", "validation", "test")
SPLIT_FOLDERS = {"train": "Training_Set", "validation": "Validation_Set", "test": "Test_Set"}

# The columns of an annotation file tell its task; for "expression" they are the classes.
TASK_OF_COLUMNS = {
    VALENCE_AROUSAL: "va",
    EXPRESSIONS_7: "expression",
    EXPRESSIONS_8: "expression",
    ACTION_UNITS_8: "au",
    ACTION_UNITS_12: "au",
}


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

    def to_dict(self) -> dict[str, Any]:
        """For manifests (JSON)."""
        return {
            "name": self.name,
            "expressions": list(self.expressions),
            "action_units": list(self.action_units),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> LabelSpace:
        """The inverse of `to_dict`."""
        return cls(values["name"], tuple(values["expressions"]), tuple(values["action_units"]))


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
