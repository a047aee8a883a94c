"""A property that a trained model is taught afterwards, while all of its own weights stay as they are.

Its value says what it says through offsets of the modulation of synthesis (`models.offsets`), which are
zero at first. A picture that does not set the property is computed as if there were no adapter, to the
bit. An adapter that follows reference pictures speaks in the same way (`models.reference`).

Shapes: B rows, R numbers of a code.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from majolica.config.model import ModelConfig
from majolica.models.offsets import Setting, count_codes, encode_place, make_setting, offsets_shape
from majolica.properties.quantiles import spread_evenly, to_quantile
from majolica.properties.registry import find_property


class PropertyAdapter(nn.Module):
    """The offsets of one property for one model; `names` are those of a category, in the order of its table."""

    def __init__(self, name: str, config: ModelConfig, names: Sequence[str] = ()) -> None:
        super().__init__()
        self.name, self.names, self.entry = name, tuple(names), find_property(name)
        self.offsets = nn.Parameter(torch.zeros(offsets_shape(config, count_codes(self.entry, len(names)))))
        self.register_buffer("quantiles", spread_evenly(self.entry))
        self.quantiles: Tensor

    def forward(self, values_B: Tensor, present_B: Tensor) -> Setting:
        """What the values say in the rows in which the property is set; the others count as not set."""
        return make_setting(self.encode(values_B.masked_fill(~present_B, 0.0)), self.offsets, present_B)

    def encode(self, values_B: Tensor) -> Tensor:
        """The codes of values, `(B, R)`."""
        place_B = to_quantile(values_B[:, None], self.quantiles[None])[:, 0].clamp(-0.25, 1.25)
        return encode_place(place_B, self.entry, len(self.names))
