"""Configuration 2 (Tables VII, VIII) with its losses in PyTorch, for `benchmarks/gan.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


def _block(first: int, second: int, up: bool) -> list[nn.Module]:
    """5x5, stride 2; the padding that halves or doubles the size exactly, as 'SAME' does."""
    if up:
        layer: nn.Module = nn.ConvTranspose2d(first, second, 5, 2, 2, output_padding=1)
        return [layer, nn.BatchNorm2d(second, eps=1e-3, momentum=0.01), nn.ReLU()]
    layer = nn.Conv2d(first, second, 5, 2, 2)
    return [layer, nn.BatchNorm2d(second, eps=1e-3, momentum=0.01), nn.LeakyReLU(0.2)]


class Generator(nn.Module):
    """Table VII."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(100, 6 * 6 * 1024)
        self.start = nn.Sequential(nn.BatchNorm2d(1024, eps=1e-3, momentum=0.01), nn.ReLU())
        blocks = [*_block(1024, 512, True), *_block(512, 256, True), *_block(256, 128, True)]
        self.rest = nn.Sequential(*blocks, nn.ConvTranspose2d(128, 3, 5, 2, 2, output_padding=1))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        x = self.dense(z).view(-1, 1024, 6, 6).to(memory_format=torch.channels_last)
        return torch.tanh(self.rest(self.start(x)).float())


class Discriminator(nn.Module):
    """Table VIII."""

    def __init__(self) -> None:
        super().__init__()
        channels = (3, 64, 128, 256, 512)
        blocks: list[nn.Module] = []
        for first, second in zip(channels[:-1], channels[1:]):
            blocks += _block(first, second, False)
        self.blocks = nn.Sequential(*blocks)
        self.dense = nn.Linear(6 * 6 * 512, 11)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dense(self.blocks(x).flatten(1)).float()


class TorchGan:
    """One discriminator and one generator update on a fixed batch, losses as in Eq. 1-3.

    Args:
        bfloat16: compute by autocast to bfloat16.
        compiled: both networks by `torch.compile`.
    """

    def __init__(self, batch: dict[str, Any], *, bfloat16: bool, compiled: bool = False) -> None:
        torch.manual_seed(0)
        self.bfloat16 = bfloat16
        layout = torch.channels_last
        self.generator = Generator().to(memory_format=layout)
        self.discriminator = Discriminator().to(memory_format=layout)
        if compiled:
            self.generator.compile()
            self.discriminator.compile()
        self.g_adam, self.d_adam = (
            torch.optim.Adam(net.parameters(), lr=rate, betas=(0.5, 0.999), eps=1e-8)
            for net, rate in ((self.generator, 1e-4), (self.discriminator, 1e-5))
        )
        pixels = np.moveaxis((batch["images"].astype(np.float32) - 128) / 128, -1, 1)
        self.real = torch.from_numpy(np.ascontiguousarray(pixels)).to(memory_format=layout)
        self.va = torch.from_numpy(batch["valence_arousal"])
        self.units = torch.from_numpy(batch["action_units"])

    def _autocast(self) -> Any:
        return torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bfloat16)

    def _latents(self) -> torch.Tensor:
        return torch.rand(len(self.real), 100) * 2 - 1

    def step(self) -> float:
        """Both updates; gives the generator's loss."""
        self._discriminator_step()
        return self._generator_step()

    def _discriminator_step(self) -> None:
        with torch.no_grad(), self._autocast():
            fakes = self.generator(self._latents())
        with self._autocast():
            real, fake = self.discriminator(self.real), self.discriminator(fakes)
        loss = (
            F.mse_loss(real[:, :2], self.va)
            + F.binary_cross_entropy_with_logits(real[:, 2:10], self.units)
            + F.softplus(real[:, 10]).mean()
            + F.mse_loss(fake[:, :2], torch.full_like(fake[:, :2], 0.01))
            + F.binary_cross_entropy_with_logits(
                fake[:, 2:10], torch.full_like(fake[:, 2:10], 0.01)
            )
            + F.binary_cross_entropy_with_logits(fake[:, 10], torch.full_like(fake[:, 10], 0.9))
        )
        self._update(loss, self.discriminator, self.d_adam)

    def _generator_step(self) -> float:
        self.discriminator.requires_grad_(False)  # no gradients of weights that do not change
        with self._autocast():
            fakes = self.generator(self._latents())
            logits = self.discriminator(fakes)[:, 10]
        loss = F.logsigmoid(logits).mean() + F.huber_loss(fakes, self.real)
        self._update(loss, self.generator, self.g_adam)
        self.discriminator.requires_grad_(True)
        return float(loss.detach())

    @staticmethod
    def _update(loss: torch.Tensor, network: nn.Module, adam: torch.optim.Optimizer) -> None:
        adam.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 20.0)
        adam.step()
