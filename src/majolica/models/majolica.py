"""The whole model, in which one forward pass serves both losses.

Shapes: B rows, of which M are noisy, F noisy and painted larger at one scale, and C clean; N tokens (registers
first) of width D; F rotary frequencies in `rope_NF`; L pieces of a caption (in `states_BLC` and
`pooled_BC`, C is the width of the text tower); E numbers of an embedding; H and W pixels (in
`grid_BHWD`: tokens); 3 colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from majolica.config.model import ModelConfig
from majolica.device import to_device
from majolica.models.adapter import PropertyAdapter
from majolica.models.conditions import Condition, ConditionEncoder
from majolica.models.decoder import PixelDecoder
from majolica.models.initialise import initialise, materialise, without_memory
from majolica.models.interpolation import Window
from majolica.models.layers import Norm, rope_2d
from majolica.models.offsets import Setting
from majolica.models.parts import BlockCall, StackKind
from majolica.models.patches import overlap_patches
from majolica.models.pooling import details
from majolica.models.reference import ReferenceAdapter, summarise_tokens
from majolica.models.text_tower import TextTower
from majolica.models.trunk import Perception, Synthesis
from majolica.properties.categories import NameTable


@dataclass(frozen=True)
class Crops:
    """Noisy pixels of F rows, each in a window of a larger picture; all pictures have one scale."""

    pixels_F3HW: Tensor
    window: Window
    """Where these pixels lie in their pictures."""
    base_F3HW: Tensor
    """The clean base pictures, whole: details are painted beside finished ones (ADR 075)."""


@dataclass(frozen=True)
class Rows:
    """A micro-step's rows: the M noisy ones first, then the clean ones."""

    base_B3HW: Tensor
    """Trunk input at the base resolution: noisy pixels, or clean pixels in [-1, 1]."""
    t_B: Tensor
    """Flow time in [0, 1]; 1 for clean rows."""
    condition: Condition
    """Of all rows; for the clean ones only the captions count."""
    fine: tuple[Crops, ...]
    """Windows of larger pictures, for each scale those of the next F rows, from the first row on."""
    noisy: int
    """M."""


@dataclass(frozen=True)
class Outputs:
    """What the model predicts for `Rows`."""

    base_M3HW: Tensor
    """Predicted clean pixels of the noisy rows, at the base resolution."""
    fine: tuple[Tensor, ...]
    """Predicted details in the windows of the larger pictures, `F3HW` for each scale."""
    image_CE: Tensor
    """Image embeddings of the clean rows, of unit length."""
    text_CE: Tensor
    """Text embeddings of the clean rows, of unit length."""
    tokens_BND: Tensor
    """The perception tokens of all rows, on which both losses depend."""


@dataclass(frozen=True)
class Text:
    """The outputs of the text tower for a batch of captions."""

    states_BLC: Tensor
    mask_BL: Tensor
    """bool; False hides padding."""
    embedding_BE: Tensor
    """Of unit length."""
    pooled_BC: Tensor

    def __getitem__(self, rows: slice) -> Text:
        return Text(self.states_BLC[rows], self.mask_BL[rows], self.embedding_BE[rows], self.pooled_BC[rows])

    def repeat(self, times: int) -> Text:
        """All rows, so many times one after the other."""
        return Text(
            self.states_BLC.repeat(times, 1, 1),
            self.mask_BL.repeat(times, 1),
            self.embedding_BE.repeat(times, 1),
            self.pooled_BC.repeat(times, 1),
        )


class Majolica(nn.Module):
    """The model: `Rows` to `Outputs`. Sampling and evaluation call the methods that `forward` calls."""

    TRUNK = ("perception", "synthesis")
    """Names of the parts that work on one token for every patch."""

    def __init__(self, config: ModelConfig) -> None:
        """Build the model on torch's default device, with its first weights.

        The device is set by `with torch.device(...)`. On `meta` a model has neither memory nor
        weights.
        """
        super().__init__()
        self.config = config
        device = torch.empty(0).device
        with without_memory():
            self.text_tower = TextTower(config.text, config.embed)
            self.perception = Perception(config)
            self.synthesis = Synthesis(config)
            self.conditions = ConditionEncoder(config)
            self.norm = Norm(config.width)
            self.to_window = nn.Linear(config.width, 3 * (2 * config.patch) ** 2)
            self.decoder = PixelDecoder(config.decoder, config.width)
            self.logit_scale = nn.Parameter(torch.empty(()))
            self.logit_bias = nn.Parameter(torch.empty(()))
        if device.type != "meta":
            materialise(self, device)
            initialise(self)
        self.adapters: list[PropertyAdapter] = []
        """Of properties that were taught afterwards. They are no parts of this module, whose weights they leave alone;
        their values stand behind those of its own properties in a `Condition`."""
        self.reference_adapters: list[ReferenceAdapter] = []
        """The one that follows reference pictures, if it was taught; it is no part of this module either."""
        self._ropes: dict[tuple[int, int, torch.device], Tensor] = {}

    def forward(self, rows: Rows) -> Outputs:
        """Predict clean pixels of the noisy rows, and embeddings of the clean rows."""
        noisy = rows.noisy
        tokens_BND, time_BD = self.perceive(rows.base_B3HW, rows.t_B)
        text = self.read(rows.condition.tokens_BL)
        grid_MHWD, base_M3HW = self.paint(
            tokens_BND[:noisy],
            time_BD[:noisy],
            text[:noisy],
            rows.condition[:noisy],
            rows.base_B3HW[:noisy],
            rows.t_B[:noisy],
        )
        fine, start = [], 0
        for crops in rows.fine:
            part = slice(start, start + len(crops.pixels_F3HW))
            start = part.stop
            fine.append(
                self.predict_details(grid_MHWD[part], crops.base_F3HW, crops.pixels_F3HW, rows.t_B[part], crops.window)
            )
        image_CE = self.perception.embed(tokens_BND[noisy:])
        return Outputs(base_M3HW, tuple(fine), image_CE, text.embedding_BE[noisy:], tokens_BND)

    @property
    def categories(self) -> dict[str, NameTable]:
        """The names of the categories among the properties, its own and those of adapters."""
        taught = {adapter.name: NameTable(adapter.names) for adapter in self.adapters if adapter.names}
        return {**self.conditions.categories, **taught}

    def parts(self) -> dict[str, nn.Module]:
        """The named parts. The head is what is left: from tokens to pixels and to similarities."""
        return {
            "text_tower": self.text_tower,
            "perception": self.perception,
            "synthesis": self.synthesis,
            "conditions": self.conditions,
            "decoder": self.decoder,
        }

    def blocks(self, scales: Sequence[int] = ()) -> list[BlockCall]:
        """The calls of blocks in `forward`, in order, where rows are painted larger at these scales."""
        stacks: list[tuple[str, StackKind, nn.ModuleList]] = [
            ("perception", "transformer", self.perception.blocks),
            ("text", "transformer", self.text_tower.blocks),
            ("synthesis", "transformer", self.synthesis.blocks),
            ("decoder", "pixel", self.decoder.blocks),
        ]
        stacks += [(f"decoder at {scale}x", "pixel", self.decoder.blocks) for scale in scales]
        return [
            BlockCall(f"{name} {index}", block, kind)
            for name, kind, blocks in stacks
            for index, block in enumerate(blocks)
        ]

    def grid(self, base_B3HW: Tensor) -> tuple[int, int]:
        """Height and width of the token grid of a base-resolution image."""
        return base_B3HW.shape[-2] // self.config.patch, base_B3HW.shape[-1] // self.config.patch

    def rope(self, grid: tuple[int, int], device: torch.device) -> Tensor:
        """The factors of `rope_2d` for a grid, `(N, F)`, computed once for each grid and device."""
        key = (*grid, device)
        if key not in self._ropes:
            # Training may use the table later, and a tensor made in inference mode cannot be saved
            # for a backward pass.
            with torch.inference_mode(False):
                rope_NF = rope_2d(grid, self.config.width // self.config.heads, self.config.registers)
                self._ropes[key] = to_device(rope_NF, device)
        return self._ropes[key]

    def perceive(self, base_B3HW: Tensor, t_B: Tensor) -> tuple[Tensor, Tensor]:
        """Perception tokens `(B, N, D)`, registers first, and the time vector `(B, D)`."""
        out: tuple[Tensor, Tensor] = self.perception(base_B3HW, t_B, self.rope(self.grid(base_B3HW), base_B3HW.device))
        return out

    def see(self, images_B3HW: Tensor) -> Tensor:
        """Embeddings of unit length, `(B, E)`, of clean base-resolution images in [-1, 1]."""
        tokens_BND, _ = self.perceive(images_B3HW, images_B3HW.new_ones(len(images_B3HW)))
        return self.perception.embed(tokens_BND)

    def summarise(self, images_B3HW: Tensor) -> Tensor:
        """What a reference carries of clean base-resolution images in [-1, 1]: `(B, F)`, float32, without a gradient.

        See `models.reference`.
        """
        with torch.no_grad():
            tokens_BND, _ = self.perceive(images_B3HW, images_B3HW.new_ones(len(images_B3HW)))
            return summarise_tokens(tokens_BND[:, self.config.registers :], self.perception.embed(tokens_BND))

    def read(self, tokens_BL: Tensor) -> Text:
        """The outputs of the text tower for captions."""
        return Text(*self.text_tower(tokens_BL))

    def paint(
        self,
        tokens_BND: Tensor,
        time_BD: Tensor,
        text: Text,
        condition: Condition,
        noisy_B3HW: Tensor,
        t_B: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Token states on their grid `(B, h, w, D)`, and the clean base image `(B, 3, H, W)`.

        `noisy_B3HW` are the noisy base pixels from which the perception tokens were computed.
        """
        grid = self.grid(noisy_B3HW)
        *sequence, pooled_BC = self.conditions(text.states_BLC, text.mask_BL, text.pooled_BC, condition)
        rope_NF = self.rope(grid, tokens_BND.device)
        settings = self._settings(condition)
        x_BND = self.norm(self.synthesis(tokens_BND, time_BD, pooled_BC, tuple(sequence), rope_NF, settings))
        x_BND = x_BND[:, self.config.registers :]
        estimate_B3HW = overlap_patches(self.to_window(x_BND), self.config.patch, grid)
        grid_BHWD = x_BND.reshape(len(x_BND), *grid, self.config.width)
        base_B3HW: Tensor = self.decoder(grid_BHWD, estimate_B3HW, noisy_B3HW * unit_variance_factor(t_B, 1))
        return grid_BHWD, base_B3HW

    def _settings(self, condition: Condition) -> list[Setting]:
        """What its own properties say through offsets, and the adapters whose property or reference is set in any row.

        Without adapters the host never waits for a device.
        """
        settings = self.conditions.make_settings(condition)
        for place, adapter in enumerate(self.adapters, len(self.config.properties)):
            present_B = condition.has_value_BP[:, place]
            if bool(present_B.any()):
                settings.append(adapter(condition.values_BP[:, place], present_B))
        if condition.reference is not None and bool(condition.reference.present_B.any()):
            settings += [adapter(condition.reference) for adapter in self.reference_adapters]
        return settings

    def predict_details(
        self, grid_BHWD: Tensor, base_B3HW: Tensor, pixels_B3HW: Tensor, t_B: Tensor, window: Window
    ) -> Tensor:
        """What a window at scale k has beyond the predicted base picture `base_B3HW`; pooled by k it is 0.

        The decoder sees the details of the noisy pixels alone, because their means over cells are the
        noisy base pixels, from which the base picture was predicted.
        """
        factor = unit_variance_factor(t_B, self.config.decoder.detail_noise)
        noisy_B3HW = details(pixels_B3HW, window.scale) * factor
        return self.decoder.predict_details(grid_BHWD, base_B3HW, noisy_B3HW, window)


def unit_variance_factor(t_B: Tensor, noise: float) -> Tensor:
    """Factor `(B, 1, 1, 1)` that scales z_t = t x + (1 - t) e to about unit variance.

    `noise` is the standard deviation of e, and that of x is taken to be half of it.
    """
    return (0.25 * t_B**2 + (1 - t_B) ** 2 + 1e-4).rsqrt()[:, None, None, None] / noise
