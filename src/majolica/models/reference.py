"""An adapter by which a trained model follows a reference picture, while all of its own weights stay as they are.

The frozen model itself looks at the picture: what `summarise_tokens` keeps of its perception is the
subject, as the image embedding has it, and the style, as mean and spread of the features over the
picture have it (the statistics that adaptive instance norm takes for style, arXiv 1703.06868). Where
things lie in the picture is left out. A small network turns that into words behind the caption
(`models.words`), and into a code, which offsets the modulation as that of a property does
(`models.offsets`).

Shapes: B rows, N image tokens, D their width, E numbers of an embedding, F = E + 2 D features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from majolica.config.model import ModelConfig
from majolica.models.conditions import Reference
from majolica.models.layers import layer_norm
from majolica.models.offsets import Setting, make_setting, offsets_shape
from majolica.models.words import Words

WORDS = 4
"""Words that a picture becomes."""
GATE_SCALE = 10.0
"""Factor of the gates of words, which lets them open as many times faster: an optimiser of Adam's kind moves all values
alike, and words learn nothing before they are heard."""
HIDDEN = 64
"""Width of the hidden layer."""


def count_features(config: ModelConfig) -> int:
    """F, the number of features that a reference picture has for a model."""
    return config.embed + 2 * config.width


def summarise_tokens(image_BND: Tensor, embedding_BE: Tensor) -> Tensor:
    """What a reference carries of a picture: its embedding, then mean and spread of its tokens, `(B, F)` in float32.

    `image_BND` are its perception tokens without the registers. Every part is of about unit scale.
    """
    features_BND = layer_norm(image_BND.float())
    mean_BD, spread_BD = features_BND.mean(1), features_BND.std(1, correction=0)
    return torch.cat((embedding_BE.float() * embedding_BE.shape[1] ** 0.5, mean_BD, spread_BD), 1)


class ReferenceAdapter(nn.Module):
    """The network from features to words and to a code of `rank` numbers, and the gates and offsets, for one model."""

    def __init__(self, config: ModelConfig, rank: int = 8) -> None:
        super().__init__()
        features = count_features(config)
        self.rank = rank
        self.encode = nn.Sequential(nn.Linear(features, HIDDEN), nn.SiLU())
        self.words = nn.Linear(HIDDEN, WORDS * config.text.width)
        self.gates = nn.Parameter(torch.zeros(config.synthesis_depth, config.width))
        self.code = nn.Linear(HIDDEN, rank)
        self.offsets = nn.Parameter(torch.zeros(offsets_shape(config, rank)))
        self.register_buffer("middle", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.middle: Tensor
        self.scale: Tensor

    def fit(self, features_BF: Tensor) -> None:
        """Take the mean and the spread of features from those of some pictures, so that both are told from them.

        A feature that hardly differs among the pictures is not magnified beyond ten times.
        """
        self.middle.copy_(features_BF.mean(0))
        self.scale.copy_(features_BF.std(0, correction=0).clamp(min=0.1))

    def forward(self, reference: Reference) -> Setting:
        """What the pictures say; the rows without one count as not set."""
        given_BF = reference.features_BF.masked_fill(~reference.present_B[:, None], 0.0)
        hidden_BH = self.encode((given_BF - self.middle) / self.scale)
        words_BWC = self.words(hidden_BH).unflatten(1, (WORDS, -1))
        words = Words(words_BWC, GATE_SCALE * self.gates, reference.present_B)
        return make_setting(self.code(hidden_BH), self.offsets, reference.present_B, words)
