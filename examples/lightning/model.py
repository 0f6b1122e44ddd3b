"""A LightningModule as a team writes it: it owns its loss, its optimiser and its schedule."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from torch import Tensor, nn


class LitNet(L.LightningModule):
    """Digits of 8 x 8 pixels: one convolution, two layers."""

    def __init__(self, width: int, rate: float = 1e-2) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layers = nn.Sequential(
            nn.Unflatten(1, (1, 8, 8)),
            nn.Conv2d(1, 16, 3, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(16 * 16, width),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Linear(width, 10),
        )

    def forward(self, pixels: Tensor) -> Tensor:
        return self.layers(pixels)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        pixels, digits = batch
        loss = nn.functional.cross_entropy(self(pixels), digits)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        pixels, digits = batch
        self.log("val_loss", nn.functional.cross_entropy(self(pixels), digits))

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.hparams["rate"])
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=self.hparams["rate"], total_steps=steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
