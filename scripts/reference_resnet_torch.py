"""ResNet-18 with three heads in PyTorch, for `benchmarks/resnet.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    """Two 3x3 convolutions and the way around them."""

    def __init__(self, first: int, second: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(first, second, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(second)
        self.conv2 = nn.Conv2d(second, second, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(second)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1:
            self.downsample = nn.Sequential(
                nn.Conv2d(first, second, 1, stride, bias=False), nn.BatchNorm2d(second)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + self.downsample(x))


class ResNet18(nn.Module):
    """The backbone and a linear layer for 2 + 8 + 12 outputs."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(3, 64, 7, 2, 3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, 1),
        ]
        for first, second, stride in ((64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2)):
            layers += [Block(first, second, stride), Block(second, second, 1)]
        self.layers = nn.Sequential(*layers)
        self.heads = nn.Linear(512, 22)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.heads(self.layers(x).mean(dim=(2, 3))).float()


class TorchTrainer:
    """One update on a fixed batch: normalisation of the pixels, MSE + CE + BCE, Adam.

    Args:
        bfloat16: compute by autocast to bfloat16.
        compiled: the network by `torch.compile`.
    """

    def __init__(self, batch: dict[str, Any], *, bfloat16: bool, compiled: bool = False) -> None:
        torch.manual_seed(0)
        self.bfloat16 = bfloat16
        self.network = ResNet18().to(memory_format=torch.channels_last)
        if compiled:
            self.network.compile()
        self.adam = torch.optim.Adam(self.network.parameters(), lr=1e-3)
        pixels = np.ascontiguousarray(np.moveaxis(batch["images"], -1, 1))
        self.images = torch.from_numpy(pixels).to(memory_format=torch.channels_last)
        self.va = torch.from_numpy(batch["valence_arousal"])
        self.expression = torch.from_numpy(batch["expression"]).long()
        self.units = torch.from_numpy(batch["action_units"])
        self.mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
        self.deviation = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)

    def step(self) -> float:
        """Forward, backward and update; gives the loss."""
        pixels = (self.images.float() / 255 - self.mean) / self.deviation
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bfloat16):
            outputs = self.network(pixels)
        loss = (
            F.mse_loss(outputs[:, :2], self.va)
            + F.cross_entropy(outputs[:, 2:10], self.expression)
            + F.binary_cross_entropy_with_logits(outputs[:, 10:], self.units)
        )
        self.adam.zero_grad(set_to_none=True)
        loss.backward()
        self.adam.step()
        return float(loss.detach())
