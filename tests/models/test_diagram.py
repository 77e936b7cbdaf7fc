"""Figure 5 as it is drawn: every weight of the network stands in exactly one box."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from kaffect.errors import ConfigError
from kaffect.models import frame_encoder, vggface_gru_attention
from kaffect.models.diagram import draw, encoder_parts, recurrence_parts

SMALL = {"image_size": 32, "width": 0.0625, "fc_units": 12, "gru_units": (6, 5), "seed": 1}


def test_boxes_hold_the_layers_shapes_and_all_weights():
    model = vggface_gru_attention(7, preprocessing="paper", **SMALL)
    encoder = model.get_layer("frame_encoder")
    parts = encoder_parts(encoder)
    names = [name for part in parts for name in part.names]
    assert names[:4] == ["preprocessing", "conv1_1", "conv1_2", "pool1"]
    assert len(names) == 1 + 13 + 5 + 2 and names[-2:] == ["flatten", "fc6"]
    assert [part.shape for part in parts][1:4] == ["16 × 16 × 4", "8 × 8 × 8", "4 × 4 × 16"]
    assert sum(part.parameters for part in parts) == encoder.count_params()
    layer = model.get_layer("sequence_head").get_layer("attention_gru")
    inside = recurrence_parts(layer)
    assert [part.names[0] for part in inside][1:3] == ["GRU 1", "GRU 2"]
    assert sum(part.parameters for part in inside) == layer.count_params()
    assert inside[3].note == "over the last 32 outputs"


@pytest.mark.parametrize("settings", [{}, {"valence_arousal": False, "gru_units": (6,)}])
def test_the_picture(tmp_path, settings):
    model = vggface_gru_attention(None, **{**SMALL, **settings})
    path = draw(model, tmp_path / "figures" / "figure_5.png")
    picture = cv2.imread(str(path))
    assert picture.shape == (836, 1870, 3)
    assert (picture[0] == 255).all() and (picture < 128).any(2).mean() > 0.005
    inner = picture[20:-20, 20:-20]
    border = picture.copy()
    border[20:-20, 20:-20] = 255
    assert (border == 255).all() and inner.std() > 10  # nothing is cut off at the edge
    again = draw(model, tmp_path / "again.png")
    assert again.read_bytes() == path.read_bytes()
    if not settings:
        other = draw(vggface_gru_attention(9, **SMALL), tmp_path / "other.png")
        assert not np.array_equal(cv2.imread(str(other)), picture)


def test_another_model_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="Figure 5 is drawn from vggface_gru_attention"):
        draw(frame_encoder(32, 0.0625, 12), tmp_path / "x.png")
    assert not list(tmp_path.iterdir())
