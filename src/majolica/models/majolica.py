"""The whole model: perception, synthesis, decoder, text tower, conditions. One forward pass serves both losses.

Shapes: B rows, of which M are noisy, F noisy and painted larger, and C clean; N tokens of width D; L pieces of a
caption (`states_BLC` and `pooled_BC` have the width C of the text tower); E embedding; H and W pixels, or h and w
tokens; 3 colours.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from majolica.config.run import ModelConfig
from majolica.device import to_device
from majolica.models.conditions import Condition, ConditionEncoder
from majolica.models.decoder import PixelDecoder, Window
from majolica.models.initialise import initialise, materialise, without_memory
from majolica.models.layers import Norm, rope_2d
from majolica.models.parts import BlockCall, Kind
from majolica.models.text_tower import TextTower
from majolica.models.trunk import Perception, Synthesis, unpatchify


@dataclass(frozen=True)
class Rows:
    """A micro-step's rows: `M` noisy ones first, then the clean ones."""

    base_B3HW: Tensor
    """Trunk input at the base resolution: pooled noisy pixels, or clean pixels; [-1, 1] when clean."""
    t_B: Tensor
    """Flow time, 1 for clean rows."""
    condition: Condition
    """Captions of all rows; properties and drop-out matter only to the noisy ones."""
    pixels_F3HW: Tensor
    """Noisy pixels of the first rows in a window of a larger picture; none when `F` is 0."""
    window: Window
    noisy: int
    """M."""


@dataclass(frozen=True)
class Outputs:
    base_M3HW: Tensor
    """Predicted clean pixels of the noisy rows, at the base resolution."""
    fine_F3HW: Tensor
    """The same in the windows of the larger pictures."""
    image_CE: Tensor
    """Unit image embeddings of the clean rows."""
    text_CE: Tensor
    """Unit text embeddings of the clean rows."""
    tokens_BND: Tensor
    """What leaves the perception trunk, of all rows: where the two losses meet."""


@dataclass(frozen=True)
class Text:
    """What the text tower says of a batch of captions."""

    states_BLC: Tensor
    mask_BL: Tensor
    embedding_BE: Tensor
    pooled_BC: Tensor

    def __getitem__(self, rows: slice) -> Text:
        return Text(self.states_BLC[rows], self.mask_BL[rows], self.embedding_BE[rows], self.pooled_BC[rows])


class Majolica(nn.Module):
    """See `Rows` and `Outputs`; the methods are the pieces that sampling and evaluation call on their own."""

    TRUNK = ("perception", "synthesis")
    """The parts between pixels and pixels that see a token for every patch."""

    def __init__(self, config: ModelConfig) -> None:
        """On the device that tensors are made on (`with torch.device(...)`), with its first weights."""
        super().__init__()
        self.config = config
        device = torch.empty(0).device
        with without_memory():
            self.text_tower = TextTower(config.text, config.embed)
            self.perception = Perception(config)
            self.synthesis = Synthesis(config)
            self.conditions = ConditionEncoder(config.properties, config.text.width)
            self.norm = Norm(config.width)
            self.to_patch = nn.Linear(config.width, 3 * config.patch**2)
            self.decoder = PixelDecoder(config.decoder, config.width)
            self.logit_scale = nn.Parameter(torch.empty(()))
            self.logit_bias = nn.Parameter(torch.empty(()))
        if device.type != "meta":
            materialise(self, device)
            initialise(self)
        self._ropes: dict[tuple[int, int, torch.device], Tensor] = {}

    def forward(self, rows: Rows) -> Outputs:
        noisy, fine = rows.noisy, len(rows.pixels_F3HW)
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
        # Detached: details do not pull at the base picture, which has its own loss.
        fine_F3HW = self.magnify(
            grid_MHWD[:fine], base_M3HW[:fine].detach(), rows.pixels_F3HW, rows.t_B[:fine], rows.window
        )
        image_CE = self.perception.embed(tokens_BND[noisy:])
        return Outputs(base_M3HW, fine_F3HW, image_CE, text.embedding_BE[noisy:], tokens_BND)

    def parts(self) -> dict[str, nn.Module]:
        """The parts that have a name; the head, which reads pixels and similarities off them, is what is left."""
        return {
            "text_tower": self.text_tower,
            "perception": self.perception,
            "synthesis": self.synthesis,
            "conditions": self.conditions,
            "decoder": self.decoder,
        }

    def blocks(self, fine: bool = False) -> list[BlockCall]:
        """The calls of blocks in `forward`, in their order; `fine` when some rows are painted larger than the base."""
        stacks: list[tuple[str, Kind, nn.ModuleList]] = [
            ("perception", "transformer", self.perception.blocks),
            ("text", "transformer", self.text_tower.blocks),
            ("synthesis", "transformer", self.synthesis.blocks),
            ("decoder", "pixel", self.decoder.blocks),
        ]
        stacks += [("fine decoder", "pixel", self.decoder.blocks)] if fine else []
        return [
            BlockCall(f"{name} {index}", block, kind)
            for name, kind, blocks in stacks
            for index, block in enumerate(blocks)
        ]

    def grid(self, base_B3HW: Tensor) -> tuple[int, int]:
        """Token grid of a base-resolution image."""
        return base_B3HW.shape[-2] // self.config.patch, base_B3HW.shape[-1] // self.config.patch

    def rope(self, grid: tuple[int, int], device: torch.device) -> Tensor:
        """Rotary tables of a grid, computed once: for training too where a picture is painted first."""
        key = (*grid, device)
        if key not in self._ropes:
            with torch.inference_mode(False):  # a tensor of inference mode cannot be saved for a backward pass
                turn = rope_2d(grid, self.config.width // self.config.heads, self.config.registers)
                self._ropes[key] = to_device(turn, device)
        return self._ropes[key]

    def perceive(self, base_B3HW: Tensor, t_B: Tensor) -> tuple[Tensor, Tensor]:
        """Perception tokens `(B, registers + N, D)` and the time vector `(B, D)`; text plays no part."""
        out: tuple[Tensor, Tensor] = self.perception(base_B3HW, t_B, self.rope(self.grid(base_B3HW), base_B3HW.device))
        return out

    def see(self, images_B3HW: Tensor) -> Tensor:
        """Unit embeddings `(B, E)` of clean base-resolution images in [-1, 1]."""
        tokens_BND, _ = self.perceive(images_B3HW, images_B3HW.new_ones(len(images_B3HW)))
        return self.perception.embed(tokens_BND)

    def read(self, tokens_BL: Tensor) -> Text:
        """Captions through the text tower."""
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
        """Token states on their grid `(B, h, w, D)` and the clean base-resolution image `(B, 3, H, W)`.

        From perception tokens, a condition and the noisy base pixels that the tokens came from.
        """
        grid = self.grid(noisy_B3HW)
        sequence = self.conditions(text.states_BLC, text.mask_BL, condition)
        pooled_BC = text.pooled_BC * condition.has_text_B[:, None]
        rope = self.rope(grid, tokens_BND.device)
        x_BND = self.norm(self.synthesis(tokens_BND, time_BD, pooled_BC, sequence, rope))
        x_BND = x_BND[:, self.config.registers :]
        estimate_B3HW = unpatchify(self.to_patch(x_BND), self.config.patch, grid)
        grid_BHWD = x_BND.reshape(len(x_BND), *grid, self.config.width)
        base_B3HW: Tensor = self.decoder(grid_BHWD, estimate_B3HW, noisy_B3HW * unit_variance(t_B, 1))
        return grid_BHWD, base_B3HW

    def magnify(self, grid_BHWD: Tensor, base_B3HW: Tensor, pixels_B3HW: Tensor, t_B: Tensor, window: Window) -> Tensor:
        """Clean pixels of a window at scale k; pooled by k they are `base_B3HW` there."""
        unit_B3HW = pixels_B3HW * unit_variance(t_B, window.scale)
        return self.decoder.magnify(grid_BHWD, base_B3HW, unit_B3HW, window)


def unit_variance(t_B: Tensor, scale: int) -> Tensor:
    """Factor `(B, 1, 1, 1)` that brings z_t = t x + (1 - t) k e to about unit variance, taking var(x) = 1/4."""
    return (0.25 * t_B**2 + ((1 - t_B) * scale) ** 2 + 1e-4).rsqrt()[:, None, None, None]


def pool(images_BCHW: Tensor, scale: int) -> Tensor:
    """Average-pool by k: full resolution to base resolution."""
    return images_BCHW if scale == 1 else F.avg_pool2d(images_BCHW, scale)
