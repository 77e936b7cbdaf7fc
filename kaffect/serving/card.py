"""The model card of an export: data, metrics, labels, limits, in Markdown for people to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kaffect.serving.facts import SYNTHETIC, Facts
from kaffect.serving.outputs import MEANINGS

CARD = "MODEL_CARD.md"
_LIMITS = (
    "A face in another crop than the one below gives other numbers: results depend on the crop.",
    "Valence and arousal are linear outputs and may leave [-1, 1] a little.",
    "Probabilities are not calibrated.",
)
_CROPS = {
    "paper": "The face box as the detector gives it, without alignment or margin, stretched to a "
    "square",
    "square": "The face box made a square around its middle, as long as its longer side, without "
    "alignment",
    "5-point": "The face turned, scaled and shifted so that eyes, nose and mouth have fixed places",
}


def model_card(facts: Facts, manifest: Mapping[str, Any]) -> str:
    """Markdown for `facts` and the signatures of `manifest`."""
    lines = [f"# {facts.title}", ""]
    lines += [f"{manifest['name']}, version {manifest['version']}, {manifest['precision']}.", ""]
    lines += ["## Intended use", "", facts.intended_use, ""]
    if facts.licence:
        lines += [f"Licence: {facts.licence}", ""]
    lines += ["## Limits", ""]
    limits = list(_LIMITS if manifest["kind"] != "generator" else ())
    if facts.data.get("kind") == "synthetic":
        limits.insert(0, f"It was {SYNTHETIC}.")
    lines += [f"* {text}" for text in (*limits, *facts.notes)] + [""]
    lines += ["## Data and metrics", ""]
    lines += [f"Training data: {facts.data.get('name')} ({facts.data.get('kind')}).", ""]
    lines += _metrics(facts, manifest["precision"])
    lines += ["## Input", ""] + _inputs(facts, manifest)
    lines += ["## Signatures", ""] + _signatures(manifest)
    lines += ["## Labels, in order", ""]
    names = {name for s in manifest["signatures"].values() for name in s["outputs"]}
    for name, columns in manifest["columns"].items():
        if name in names:
            lines.append(f"* `{name}`: {', '.join(columns)}")
    if facts.action_unit_thresholds:
        lines += ["", f"Action Units count as active from these probabilities: {_units(facts)}."]
    lines += ["", "## Made from", ""]
    lines += [f"* {key}: {value}" for key, value in facts.source.items() if key != "config"]
    lines += [f"* {key}: {value}" for key, value in manifest["made_with"].items()]
    return "\n".join(lines) + "\n"


def _units(facts: Facts) -> str:
    """Thresholds by name; of saturated units also the logit, as their probability is no help."""
    parts, logits = [], facts.action_unit_logit_thresholds
    for name, value in facts.action_unit_thresholds.items():
        saturated = name in logits and f"{value:g}" == "1"
        parts.append(f"{name} {value:g}" + (f" (logit {logits[name]:g})" if saturated else ""))
    return ", ".join(parts)


def _metrics(facts: Facts, precision: str) -> list[str]:
    if not facts.metrics:
        return ["Not measured by this software.", ""]
    splits = list(facts.metrics)
    rows = sorted({name for values in facts.metrics.values() for name in values})
    table = [f"| metric | {' | '.join(splits)} |", "|---" * (len(splits) + 1) + "|"]
    for name in rows:
        cells = [facts.metrics[s].get(name) for s in splits]
        shown = ["" if c is None else f"{c:.3f}" for c in cells]
        table.append(f"| {name} | {' | '.join(shown)} |")
    return [*_scored_in(facts.scored_in, precision), *table, ""]


def _scored_in(scored: str, precision: str) -> list[str]:
    if not scored or scored == precision:
        return [f"Computed in {precision}, as this export computes.", ""] if scored else []
    return [
        f"Computed in {scored}; this export computes in {precision}, so its own scores differ "
        "slightly. `kaffect export --precision run` keeps the precision of the scores.",
        "",
    ]


def _inputs(facts: Facts, manifest: Mapping[str, Any]) -> list[str]:
    if manifest["kind"] == "generator":
        return ["Latent vectors of 100 numbers, uniform in [-1, 1].", ""]
    rule, size = facts.crop_rule, manifest["picture_shape"][0]
    lines = [
        f"Face pictures of {size}x{size} pixels, {rule.colour}, uint8; normalised in the graph.",
        f"{_CROPS[rule.mode]} (rule '{rule.mode}'); where there is no face a picture of grey "
        f"{rule.no_face}.",
    ]
    if facts.detector is not None:
        name, version = facts.detector["name"], facts.detector["version"]
        lines.append(
            f"The faces that it was trained on were found by {name} ({version}), which "
            "`kaffect predict` takes too unless another one is asked for."
        )
    if manifest["kind"] == "sequences":
        lines.append(
            f"Frames of one person at {facts.fps} a second. `serving_default` and `serve_jpeg` "
            f"start anew every {manifest['reset_every']} frames, as in training; `serve_stream` "
            "goes on from the state that it is given (zeros at the start)."
        )
    return [*lines, ""]


def _signatures(manifest: Mapping[str, Any]) -> list[str]:
    lines = []
    for name, signature in manifest["signatures"].items():
        lines.append(f"* `{name}`: {_tensors(signature['inputs'])}")
        lines.append(f"  -> {_tensors(signature['outputs'])}")
    shown = {name for s in manifest["signatures"].values() for name in s["outputs"]}
    lines += ["", *(f"* `{n}`: {text}" for n, text in MEANINGS.items() if n in shown), ""]
    return lines


def _tensors(tensors: Mapping[str, Mapping[str, Any]]) -> str:
    parts = []
    for name, tensor in tensors.items():
        shape = ", ".join("?" if n is None else str(n) for n in tensor["shape"])
        parts.append(f"`{name}` {tensor['dtype']} [{shape}]")
    return ", ".join(parts)
