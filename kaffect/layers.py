"""The layers that Keras does not have, under one name (Section IV-B)."""

from __future__ import annotations

from kaffect.models.attention_cell import AttentionGRUCell
from kaffect.models.attention_gru import AttentionGRU
from kaffect.models.recurrence_forward import State as AttentionState

__all__ = ["AttentionGRU", "AttentionGRUCell", "AttentionState"]
