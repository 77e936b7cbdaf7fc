"""`kaffect import affwildnet`: the released networks as exports, streams included."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kaffect.cli import main
from kaffect.serving import Predictor, export_model
from kaffect.serving.golden import golden_pictures
from kaffect.serving.import_affwildnet import affwildnet_facts
from tests.serving.export_kinds import affwildnet


@pytest.mark.parametrize("recurrent", [True, False])
def test_an_imported_network_predicts_and_streams(tmp_path: Path, recurrent: bool) -> None:
    network = affwildnet(recurrent)
    out = export_model(network, tmp_path / "affwildnet" / "1", affwildnet_facts(network))
    predictor = Predictor.from_saved_model(out)
    frames = golden_pictures((84,), 96)
    scaled = (frames.astype(np.float32) - 128) / 128
    expected = network(scaled[np.newaxis])["valence_arousal"][0].numpy()
    streamed = np.stack([o["valence_arousal"] for o in predictor.stream(frames[:20])])
    np.testing.assert_allclose(streamed, expected[:20], atol=1e-5)
    whole = predictor.predict_frames(frames)["valence_arousal"]
    np.testing.assert_allclose(whole[:80], expected[:80], atol=1e-5)
    assert (np.abs(whole[80:] - expected[80:]).max() > 1e-5) == recurrent
    card = (out / "MODEL_CARD.md").read_text()
    assert "research use only" in card
    assert ("VGGFACE-GRU" if recurrent else "4096-7-2") in card


@pytest.mark.nightly
def test_the_command_at_full_size(tmp_path: Path, golden: Path, capsys) -> None:
    import tensorflow as tf

    listed = json.loads((golden / "affwildnet" / "variables.json").read_text())
    with np.load(golden / "affwildnet" / "vggface_gru.npz", allow_pickle=False) as stored:
        seed = int(stored["seed"])
    module = tf.Module()
    tensors = {}
    for place, (name, shape) in enumerate(listed):
        r = np.random.default_rng(seed + place).standard_normal(shape)
        scale = np.sqrt(2 / np.prod(shape[:-1])) if len(shape) > 1 else 0.05
        tensors[name] = tf.Variable((r * scale).astype(np.float32))
    module.all = list(tensors.values())
    prefix = str(tmp_path / "model.ckpt")
    tf.raw_ops.SaveV2(
        prefix=prefix,
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=[v.numpy() for v in tensors.values()],
    )
    out = tmp_path / "m" / "1"
    assert main(["import", "affwildnet", prefix, "--out", str(out)]) == 0
    assert "research use only" in capsys.readouterr().out
    frames = golden_pictures((3,), 96)
    assert Predictor.from_saved_model(out).predict_frames(frames)["valence_arousal"].shape == (3, 2)


def test_a_wrong_checkpoint_is_no_traceback(tmp_path: Path, capsys) -> None:
    arguments = ["import", "affwildnet", str(tmp_path / "x.ckpt"), "--out", str(tmp_path / "m/1")]
    assert main(arguments) == 2
    assert "cannot be read as a TensorFlow checkpoint" in capsys.readouterr().err
