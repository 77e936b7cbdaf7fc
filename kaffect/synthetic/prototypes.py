"""What a face does (paper Sections I and II): Action Units of expressions, and their VA.

The combinations follow the EMFACS prototypes. A *reaction* is either one of the
basic expressions or a single spontaneous Action Unit, which people show without
any of the basic emotions and which annotators of eight classes call "Other".
"""

from __future__ import annotations

from dataclasses import dataclass, field

# Every unit that the renderer can draw, in the column order of its intensity arrays.
DRAWN_UNITS = (
    "AU1", "AU2", "AU4", "AU5", "AU6", "AU7", "AU9", "AU10",
    "AU12", "AU15", "AU17", "AU20", "AU23", "AU24", "AU25", "AU26",
)  # fmt: skip
UNIT_COLUMN = {name: column for column, name in enumerate(DRAWN_UNITS)}


@dataclass(frozen=True)
class Reaction:
    """One thing that a face does for a second or two.

    Attributes:
        name: a class of `kaffect.labels.EXPRESSIONS_8`; "Other" for spontaneous units.
        valence_arousal: displacement at full strength.
        always: unit -> intensity at full strength.
        sometimes: unit -> (share of the time, intensity); dealt to episodes.
        in_expression_set: other shares in videos whose label is an expression: nothing ties these
            to Table III, which has few open mouths.
    """

    name: str
    valence_arousal: tuple[float, float]
    always: dict[str, float]
    sometimes: dict[str, tuple[float, float]]
    in_expression_set: dict[str, float] = field(default_factory=dict)

    def shares(self, task: str) -> dict[str, float]:
        """Share of the time of each optional unit in videos of a set, "expression" or "au"."""
        usual = {unit: share for unit, (share, _) in self.sometimes.items()}
        return {**usual, **self.in_expression_set} if task == "expression" else usual


REACTIONS: dict[str, Reaction] = {
    "Neutral": Reaction("Neutral", (0.0, -0.05), {}, {}),
    "Happiness": Reaction(
        "Happiness",
        (0.70, 0.35),
        {"AU6": 0.95, "AU12": 1.0},
        {"AU25": (0.18, 0.8)},
        {"AU25": 0.65},
    ),
    "Sadness": Reaction(
        "Sadness",
        (-0.60, -0.40),
        {"AU1": 0.95, "AU4": 0.70},
        {"AU15": (0.4, 0.9), "AU17": (0.5, 0.7)},
        {"AU15": 0.75},
    ),
    "Surprise": Reaction(
        "Surprise",
        (0.15, 0.75),
        {"AU1": 0.95, "AU2": 0.95, "AU5": 0.8, "AU25": 0.8},
        {"AU26": (0.8, 0.9)},
    ),
    "Fear": Reaction(
        "Fear",
        (-0.55, 0.70),
        {"AU1": 0.95, "AU2": 0.6, "AU4": 0.65, "AU5": 1.0, "AU20": 0.9},
        {"AU25": (0.7, 0.75), "AU26": (0.7, 0.6)},
        {"AU25": 0.85, "AU26": 0.9},
    ),
    "Anger": Reaction(
        "Anger",
        (-0.65, 0.50),
        {"AU4": 1.0, "AU5": 0.4, "AU7": 0.6, "AU23": 0.8},
        {"AU24": (0.6, 0.8), "AU10": (0.0, 0.8), "AU25": (0.0, 0.7)},
        {"AU24": 0.4, "AU10": 0.3, "AU25": 0.3},
    ),
    "Disgust": Reaction(
        "Disgust",
        (-0.60, 0.15),
        {"AU9": 1.0, "AU10": 0.95, "AU7": 0.6},
        {"AU4": (0.35, 0.7), "AU15": (0.1, 0.7), "AU17": (0.5, 0.6), "AU25": (0.0, 0.6)},
        {"AU4": 0.6, "AU15": 0.4, "AU17": 0.4, "AU25": 0.5},
    ),
    "AU1": Reaction("Other", (-0.10, 0.05), {"AU1": 0.85}, {}),
    "AU2": Reaction("Other", (0.05, 0.18), {"AU2": 0.85}, {"AU1": (0.35, 0.7)}),
    "AU4": Reaction("Other", (-0.25, 0.05), {"AU4": 0.85}, {}),
    "AU6": Reaction("Other", (0.10, 0.0), {"AU6": 0.85}, {}),
    "AU12": Reaction("Other", (0.35, 0.08), {"AU12": 0.7}, {"AU6": (0.3, 0.5)}),
    "AU15": Reaction("Other", (-0.25, -0.10), {"AU15": 0.85}, {"AU17": (0.5, 0.6)}),
    "AU20": Reaction("Other", (-0.20, 0.15), {"AU20": 0.9}, {}),
    "AU25": Reaction("Other", (0.0, 0.15), {"AU25": 0.8}, {"AU26": (0.3, 0.6)}),
}

# Share of the time planned for each reaction. Onsets and offsets are read as
# Neutral or not agreed on, so that these are not the shares of the labels: they
# are set such that the labels come out as `EXPRESSION_SHARES` and `UNIT_SHARES`.
EXPRESSION_SET_TIME = {
    "Neutral": 0.15, "Happiness": 0.228, "Sadness": 0.143, "Surprise": 0.124, "Anger": 0.096,
    "Disgust": 0.083, "Fear": 0.078, "AU1": 0.015, "AU2": 0.015, "AU4": 0.015, "AU6": 0.01,
    "AU12": 0.01, "AU15": 0.01, "AU20": 0.01, "AU25": 0.02,
}  # fmt: skip
UNIT_SET_TIME = {
    "Neutral": 0.05, "Happiness": 0.218, "Sadness": 0.077, "Surprise": 0.048, "Anger": 0.06,
    "Disgust": 0.05, "Fear": 0.038, "AU1": 0.055, "AU2": 0.063, "AU4": 0.04, "AU6": 0.05,
    "AU12": 0.035, "AU15": 0.011, "AU20": 0.013, "AU25": 0.012,
}  # fmt: skip

# not in the paper: Figure 3's counts are not in its text. Uneven, nothing above 30 %.
EXPRESSION_SHARES = {
    "Neutral": 0.28, "Happiness": 0.22, "Sadness": 0.14, "Surprise": 0.12,
    "Anger": 0.09, "Disgust": 0.08, "Fear": 0.07,
}  # fmt: skip
# Table III over the 180,000 frames that Section II-D keeps; 139,298 of them show a unit.
UNIT_SHARES = {
    "AU1": 0.24, "AU2": 0.14, "AU4": 0.22, "AU6": 0.27,
    "AU12": 0.25, "AU15": 0.04, "AU20": 0.05, "AU25": 0.10,
}  # fmt: skip
ANY_UNIT_SHARE = 0.77

# Intensity from which an average annotator marks a unit.
UNIT_THRESHOLDS = {
    "AU1": 0.30, "AU2": 0.30, "AU4": 0.30, "AU6": 0.30, "AU7": 0.30, "AU10": 0.30, "AU12": 0.30,
    "AU15": 0.40, "AU20": 0.32, "AU23": 0.30, "AU24": 0.30, "AU25": 0.45, "AU26": 0.40,
}  # fmt: skip
