"""A trained model in use: paint from prompts and dials, embed, classify."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from majolica.config import io
from majolica.config.schema import RunConfig
from majolica.errors import UserError
from majolica.models.conditions import Condition
from majolica.models.decoder import Window
from majolica.models.majolica import Majolica, pool
from majolica.models.properties import PROPERTIES
from majolica.models.weights import averaged
from majolica.sampling.guidance import Guidance, guided
from majolica.sampling.solvers import SOLVERS
from majolica.text.templates import embed_labels
from majolica.text.tokenizer import Tokenizer

LONGEST_PROMPT = 2_000
"""Characters; a longer prompt is a mistake, not a caption."""
LARGEST = 4_096
"""Side in pixels; the decoder holds the whole picture, so that larger ones do not fit into memory."""
BATCH = 64

Values = float | Sequence[float] | Tensor


@dataclass
class Pipeline:
    """A model with its tokenizer; images go in and out as uint8 `(B, 3, H, W)`."""

    model: Majolica
    tokenizer: Tokenizer
    config: RunConfig
    device: torch.device

    @staticmethod
    def load(run: Path, device: str | None = None) -> Pipeline:
        """The averaged weights of a run folder. UserError where there is no run or it cannot be read."""
        if not (run / "config.yaml").is_file():
            raise UserError(f"no run in {run}: train one (majolica demo), or name its folder with --run")
        config = io.load(run / "config.yaml")
        tokenizer = Tokenizer(run / "tokenizer.model")
        text = dataclasses.replace(config.model.text, vocab=tokenizer.vocab)
        model = Majolica(dataclasses.replace(config.model, text=text))
        try:
            missing, unexpected = model.load_state_dict(averaged(run), strict=False)
        except RuntimeError as error:
            raise UserError(f"the weights in {run} do not fit its config.yaml ({error})") from error
        if missing or unexpected:
            names = ", ".join([*missing, *unexpected][:3])
            raise UserError(f"the weights in {run} do not fit its config.yaml ({names})")
        place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        return Pipeline(model.to(place).eval(), tokenizer, config, place)

    @property
    def resolution(self) -> int:
        """Base resolution in pixels."""
        return self.config.model.resolution

    @property
    def fit(self) -> Literal["crop", "pad", "stretch"]:
        """How pictures that are not square were fitted in training, and have to be fitted in use."""
        return self.config.data.fit

    @torch.inference_mode()
    def paint(
        self,
        prompts: Sequence[str],
        size: int | None = None,
        properties: dict[str, Values] | None = None,
        steps: int = 20,
        guidance: float = 3.0,
        seed: int = 0,
        solver: str = "heun",
    ) -> Tensor:
        """Paint one picture per prompt: uint8 `(B, 3, size, size)`.

        `size` is a multiple of the base resolution; `properties` are dials in their units, one value or one a prompt.
        Picture i depends on the seed, i and its own prompt and dials, up to float rounding; at another size it is the
        same picture with other detail.
        """
        scale = self.scale(self.resolution if size is None else size)
        if solver not in SOLVERS:
            raise UserError(f"unknown solver {solver!r}; known: {', '.join(SOLVERS)}")
        if not math.isfinite(guidance):
            raise UserError(f"guidance is {guidance}: give a number, 1 for none, 3 as a rule")
        condition = self.condition(prompts, properties or {})
        weights = Guidance(text=guidance)
        parts = [
            self._paint(condition[slice(start, start + BATCH)], scale, steps, weights, seed, start, solver)
            for start in range(0, len(prompts), BATCH)
        ]
        return torch.cat(parts)

    def _paint(
        self, condition: Condition, scale: int, steps: int, weights: Guidance, seed: int, start: int, solver: str
    ) -> Tensor:
        rows = range(start, start + len(condition.tokens_BL))
        noise_B3HW = torch.stack([draw_noise(seed, row, self.resolution, scale) for row in rows])
        image_B3HW = self.integrate(noise_B3HW.to(self.device), condition, steps, weights, solver)
        return ((image_B3HW.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).cpu()

    @torch.inference_mode()
    def integrate(self, noise_B3HW: Tensor, condition: Condition, steps: int, weights: Guidance, solver: str) -> Tensor:
        """Carry noise (standard deviation k) to images in about [-1, 1]; pooled by k, they are the pooled noise's."""
        batch, scale = len(noise_B3HW), noise_B3HW.shape[-1] // self.resolution
        text = self.model.read(condition.tokens_BL)
        window = Window.whole(batch, scale, self.device)

        def denoise(z_B3HW: Tensor, t: float) -> Tensor:
            t_B = torch.full((batch,), t, device=self.device)
            base_B3HW = pool(z_B3HW, scale)
            tokens_BND, time_BD = self.model.perceive(base_B3HW, t_B)

            def branch(asked: Condition) -> Tensor:
                grid_BHWD, clean_B3HW = self.model.paint(tokens_BND, time_BD, text, asked, base_B3HW, t_B)
                if scale == 1:
                    return clean_B3HW
                return self.model.magnify(grid_BHWD, clean_B3HW, z_B3HW, t_B, window)

            return guided(branch, condition, weights, t)

        return SOLVERS[solver](denoise, noise_B3HW, steps)

    def scale(self, size: int) -> int:
        """k of an output size; UserError where it is no multiple of the base resolution, or too large."""
        if size < self.resolution or size % self.resolution:
            nearest = max(1, round(size / self.resolution)) * self.resolution
            raise UserError(f"size {size} is no multiple of the base resolution {self.resolution}: use {nearest}, say")
        if size > max(LARGEST, self.resolution):
            raise UserError(f"size {size} is too large: {LARGEST} is the most")
        return size // self.resolution

    def condition(self, prompts: Sequence[str], properties: dict[str, Values]) -> Condition:
        """Prompts and dials as the model takes them. UserError for an empty or endless prompt or an unknown dial."""
        for prompt in prompts:
            check_prompt(prompt)
        names = self.config.model.properties
        batch = len(prompts)
        values_BP, has_BP = torch.zeros(batch, len(names)), torch.zeros(batch, len(names), dtype=torch.bool)
        for name, value in properties.items():
            check_dial(name, value, names)
            values_BP[:, names.index(name)] = torch.as_tensor(value, dtype=torch.float32)
            has_BP[:, names.index(name)] = True
        return Condition(
            self.encode(prompts),
            torch.ones(batch, dtype=torch.bool, device=self.device),
            values_BP.to(self.device),
            has_BP.to(self.device),
        )

    def encode(self, texts: Sequence[str]) -> Tensor:
        """SentencePiece pieces `(B, L)`."""
        return self.tokenizer.encode(texts, self.config.model.text.length).to(self.device)

    @torch.inference_mode()
    def embed_images(self, images_B3HW: Tensor) -> Tensor:
        """Unit embeddings `(B, E)` of uint8 images of any size (scaled to the base resolution, antialiased)."""
        side = self.resolution
        parts = []
        for chunk in torch.split(images_B3HW, 4 * BATCH):
            x = chunk.to(self.device).float() / 255
            if x.shape[-2:] != (side, side):
                x = F.interpolate(x, (side, side), mode="bilinear", antialias=True, align_corners=False)
            parts.append(self.model.see(x * 2 - 1))
        return torch.cat(parts)

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Unit embeddings `(B, E)` of captions."""
        for text in texts:
            check_prompt(text, "text")
        parts = [
            self.model.read(self.encode(texts[start : start + 256])).embedding_BE for start in range(0, len(texts), 256)
        ]
        return torch.cat(parts)

    def embed_labels(self, labels: Sequence[str]) -> Tensor:
        """One unit embedding `(K, E)` per label, averaged over `majolica.text.templates`."""
        for label in labels:
            check_prompt(label, "label")
        return embed_labels(self.embed_texts, labels)

    def classify(self, images_B3HW: Tensor, labels: Sequence[str]) -> Tensor:
        """Probabilities `(B, K)` over the labels: softmax of scaled cosine similarities."""
        similarity_BK = self.embed_images(images_B3HW) @ self.embed_labels(labels).T
        return (similarity_BK * self.model.logit_scale.exp()).softmax(1)


def draw_noise(seed: int, row: int, resolution: int, scale: int) -> Tensor:
    """White noise of standard deviation k, `(3, k R0, k R0)`; its k x k means are the same at every k.

    The mean of a cell of k^2 unit Gaussians is independent of what the cell's pixels differ from it by, so the mean can
    be drawn on its own, once for all sizes.
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + row)
    base_3HW = torch.randn(3, resolution, resolution, generator=generator)
    if scale == 1:
        return base_3HW
    detail_3HW = scale * torch.randn(3, scale * resolution, scale * resolution, generator=generator)
    shift_13HW = (base_3HW - pool(detail_3HW, scale))[None]
    return detail_3HW + F.interpolate(shift_13HW, scale_factor=scale, mode="nearest")[0]


def check_prompt(prompt: str, kind: str = "prompt") -> None:
    """UserError for a prompt, or another kind of text, that says nothing or far too much."""
    if not prompt.strip():
        raise UserError(f"the {kind} is empty: say what the picture shows")
    if len(prompt) > LONGEST_PROMPT:
        raise UserError(
            f"the {kind} has {len(prompt):,} characters: {LONGEST_PROMPT:,} are the most; a sentence is enough"
        )


def check_dial(name: str, value: Values, names: tuple[str, ...]) -> None:
    """UserError for a property that the model was not trained with, or a value outside its range."""
    if name not in names:
        raise UserError(f"unknown property {name!r}; this model knows {', '.join(names)}")
    dial = PROPERTIES[name]
    asked = torch.as_tensor(value, dtype=torch.float64)
    low, high = asked.min().item(), asked.max().item()
    if not (dial.low <= low and high <= dial.high):
        raise UserError(f"{name} runs from {dial.low} to {dial.high} ({dial.unit}), not {value}")
