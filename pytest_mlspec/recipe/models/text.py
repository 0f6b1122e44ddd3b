"""Texts as ids, without an order of words (mean_embedding) or with short phrases (text_cnn). Padding has no influence.

Shape letters: N rows, L ids of a text, D numbers of an embedding, K filters of a width, C outputs of a row.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from pytest_mlspec.recipe.models.layers import PADDING, Embedding, hidden_layers

# With torch's 1.0 the random start of rare words outlives their training. Tried on Banking77, one seed each: mean_embedding
# 0.909 at 0.1 and 0.898 at 1.0, text_cnn 0.900 and 0.879 test accuracy.
_SCALE = 0.1


class MeanEmbedding(nn.Module):
    """The mean of the embeddings of a text's words, then a perceptron; a text without words has the mean zero."""

    def __init__(
        self, vocabulary: int, out_features: int, *, dim: int = 128, hidden: Sequence[int] = (), dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.embedding = Embedding(vocabulary, dim, scale=_SCALE)
        self.dropout = nn.Dropout(dropout)
        layers, width = hidden_layers(dim, hidden, dropout=dropout)
        self.head = nn.Sequential(*layers, nn.Linear(width, out_features))

    def forward(self, ids_NL: Tensor) -> Tensor:
        """Outputs [N, C] for ids [N, L]."""
        mean_ND = mean_of_words(self.embedding(ids_NL), ids_NL != PADDING)
        outputs_NC: Tensor = self.head(self.dropout(mean_ND))
        return outputs_NC


class TextCNN(nn.Module):
    """Filters over phrases of each of `widths` words, the strongest answer of each, then a linear layer (Kim 2014).

    A phrase begins at each word of the text and may reach beyond its end, where embeddings are zero; so a text that is
    shorter than a filter has phrases too, and how far it is padded changes nothing.
    """

    def __init__(
        self,
        vocabulary: int,
        out_features: int,
        *,
        dim: int = 128,
        filters: int = 100,
        widths: Sequence[int] = (3, 4, 5),
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.embedding = Embedding(vocabulary, dim, scale=_SCALE)
        self.convolutions = nn.ModuleList(nn.Conv1d(dim, filters, width) for width in widths)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(filters * len(widths), out_features)

    def forward(self, ids_NL: Tensor) -> Tensor:
        """Outputs [N, C] for ids [N, L]."""
        words_NL = ids_NL != PADDING
        # the gradient of padding is none, but a checkpoint of elsewhere may hold a vector for it
        embedded_NDL = (self.embedding(ids_NL) * words_NL.unsqueeze(2)).transpose(1, 2)
        strongest = []
        for convolution in self.convolutions:
            assert isinstance(convolution, nn.Conv1d)
            ahead = functional.pad(embedded_NDL, (0, convolution.kernel_size[0] - 1))
            # after a ReLU no answer is below 0, so 0 hides the phrases that begin behind the end
            answers_NKL = functional.relu(convolution(ahead)) * words_NL.unsqueeze(1)
            strongest.append(answers_NKL.amax(dim=2))
        outputs_NC: Tensor = self.output(self.dropout(torch.cat(strongest, dim=1)))
        return outputs_NC


def mean_of_words(vectors_NLD: Tensor, words_NL: Tensor) -> Tensor:
    """The mean [N, D] over the positions that hold a word; zero where a text has none."""
    counted_NL1 = words_NL.unsqueeze(2)
    total_ND = vectors_NLD.where(counted_NL1, 0).sum(dim=1)
    return total_ND / counted_NL1.sum(dim=1).clamp(min=1)
