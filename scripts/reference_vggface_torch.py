"""VGG-Face-GRU-attention, trained end to end, in PyTorch, for `benchmarks/vggface.py`.

The network of Figure 5: 13 convolutions, FC 4096, two GRU layers of 128 in an attention wrapper
over the last 32 outputs, 2 + 7 outputs. What depends on the frame alone (the inputs' part of the
projection) is computed for all frames at once; the loop holds the rest.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
FEATURES, UNITS, SLOTS = 4096, 128, 32


class Encoder(nn.Module):
    """[n, 3, 96, 96] -> [n, 4096]."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for count, channels in BLOCKS:
            for _ in range(count):
                layers += [nn.Conv2d(before, channels, 3, 1, 1), nn.ReLU(inplace=True)]
                before = channels
            layers.append(nn.MaxPool2d(2))
        self.layers = nn.Sequential(*layers)
        self.fc6 = nn.Linear(3 * 3 * 512, FEATURES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return F.relu(self.fc6(self.layers(images).flatten(1)))


class AttentionGru(nn.Module):
    """[batch, time, 4096] -> [batch, time, 128], in float32."""

    def __init__(self) -> None:
        super().__init__()
        self.projection = nn.Linear(FEATURES, FEATURES)
        self.context = nn.Linear(UNITS, FEATURES, bias=False)
        below = (FEATURES, UNITS)
        self.gates = nn.ModuleList(nn.Linear(n + UNITS, 2 * UNITS) for n in below)
        self.candidates = nn.ModuleList(nn.Linear(n + UNITS, UNITS) for n in below)
        self.query = nn.Linear(2 * UNITS, UNITS)
        self.key = nn.Linear(UNITS, UNITS, bias=False)
        self.score = nn.Linear(UNITS, 1, bias=False)
        self.output = nn.Linear(2 * UNITS, UNITS)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        projected = self.projection(inputs).float().unbind(1)
        with torch.autocast("cpu", enabled=False):
            return torch.stack(self._frames(projected), 1)

    def _frames(self, projected: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
        zeros = projected[0].new_zeros(len(projected[0]), UNITS)
        hidden, context, outputs = [zeros, zeros], zeros, [zeros] * SLOTS
        keys = [self.key(zeros)] * SLOTS
        for frame in projected:
            below = frame + self.context(context)
            for k, (gates, candidate) in enumerate(zip(self.gates, self.candidates)):
                both = torch.cat([below, hidden[k]], 1)
                reset, update = torch.sigmoid(gates(both)).chunk(2, 1)
                new = torch.tanh(candidate(torch.cat([below, reset * hidden[k]], 1)))
                hidden[k] = below = update * hidden[k] + (1 - update) * new
            query = self.query(torch.cat(hidden, 1))
            scores = self.score(torch.tanh(torch.stack(keys[-SLOTS:], 1) + query[:, None]))
            weights = torch.softmax(scores, 1)
            context = (weights * torch.stack(outputs[-SLOTS:], 1)).sum(1)
            outputs.append(self.output(torch.cat([below, context], 1)))
            keys.append(self.key(outputs[-1]))
        return outputs[SLOTS:]


def ccc_loss(found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """1 - mean concordance of valence and arousal over all frames (Eq. 5)."""
    x, y = found.flatten(0, 1), wanted.flatten(0, 1)
    apart = (x.mean(0) - y.mean(0)) ** 2
    covariance = ((x - x.mean(0)) * (y - y.mean(0))).mean(0)
    variances = x.var(0, unbiased=False) + y.var(0, unbiased=False)
    return 1 - (2 * covariance / (variances + apart)).mean()


class TorchSequences:
    """One update on a fixed batch: Eq. 6, both weights 0.5, and Adam.

    Args:
        batch: as of `benchmarks/vggface.py`.
        bfloat16: compute by autocast to bfloat16; the recurrence stays in float32, as ours.
        compiled: the CNN by `torch.compile`; the loop over frames would be unrolled.
    """

    def __init__(self, batch: dict[str, Any], *, bfloat16: bool, compiled: bool = False) -> None:
        torch.manual_seed(0)
        self.bfloat16 = bfloat16
        self.encoder = Encoder().to(memory_format=torch.channels_last)
        self.recurrence, self.heads = AttentionGru(), nn.Linear(UNITS, 9)
        if compiled:
            self.encoder.compile()
        parts = (self.encoder, self.recurrence, self.heads)
        self.adam = torch.optim.Adam([p for part in parts for p in part.parameters()], lr=1e-3)
        self.shape = batch["images"].shape[:2]
        frames = batch["images"].reshape(-1, *batch["images"].shape[2:])
        pixels = np.ascontiguousarray(np.moveaxis(frames, -1, 1))
        self.images = torch.from_numpy(pixels).to(memory_format=torch.channels_last)
        self.va = torch.from_numpy(batch["valence_arousal"])
        self.expression = torch.from_numpy(batch["expression"]).long()

    def step(self) -> float:
        """Forward, backward and update; gives the loss."""
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bfloat16):
            features = self.encoder((self.images.float() - 128) / 128)
            features = F.dropout(features, 0.5).unflatten(0, self.shape)
            states = self.recurrence(features)
        outputs = self.heads(states)
        loss = 0.5 * ccc_loss(outputs[..., :2], self.va)
        logits = outputs[..., 2:].flatten(0, 1)
        loss = loss + 0.5 * F.cross_entropy(logits, self.expression.flatten())
        self.adam.zero_grad(set_to_none=True)
        loss.backward()
        self.adam.step()
        return float(loss.detach())
