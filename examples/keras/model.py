"""A model as a team writes it: a function that builds and compiles it."""

from __future__ import annotations

import keras
from keras import layers


def build(width: int, rate: float = 3e-3) -> keras.Model:
    """Two layers with batch normalisation and dropout; its outputs are logits, and its loss says so."""
    model = keras.Sequential(
        [
            layers.Dense(width, activation="relu"),
            layers.BatchNormalization(momentum=0.9),
            layers.Dropout(0.1),
            layers.Dense(width, activation="relu"),
            layers.Dense(3),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.AdamW(rate, weight_decay=0.01, clipnorm=1.0),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model
