"""A trained model in use: paint from prompts and dials, embed, classify."""

from __future__ import annotations

import dataclasses
import itertools
import warnings
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from majolica.config import io
from majolica.config.resolutions import beyond_training, scale_of
from majolica.config.run import RunConfig
from majolica.config.run_folder import config_of_run
from majolica.data.pictures.frame import Fit
from majolica.errors import Notice, UserError, unknown
from majolica.models.conditions import Condition
from majolica.models.decoder import Window
from majolica.models.majolica import Majolica, pool
from majolica.models.precision import attend_by_products, autocast_in_use, has_bf16
from majolica.run.weights import averaged
from majolica.sampling.guidance import Guidance, guided, read_guidance
from majolica.sampling.images import Pictures, read_pictures
from majolica.sampling.inputs import Texts, Values, read_count, read_dials, read_labels, read_texts, read_whole
from majolica.sampling.noise import draw_noise, read_seeds
from majolica.sampling.solvers import SOLVERS, Tick, silent
from majolica.text.notices import label_notices, text_notices
from majolica.text.templates import choose_templates, embed_labels
from majolica.text.tokenizer import Tokenizer
from majolica.text.words import KnownWords, load_words

BATCH = 64
Progress = Callable[[int, int], None]
"""(steps done, steps in all)."""


@dataclass(frozen=True)
class PaintSettings:
    """How a picture is painted, whatever it shows."""

    scale: int
    steps: int
    guidance: Guidance
    solver: str


@dataclass
class Pipeline:
    """A model with its tokenizer."""

    model: Majolica
    tokenizer: Tokenizer
    config: RunConfig
    device: torch.device
    known_words: KnownWords | None = None
    """The words of its training, where the run folder has them."""

    @staticmethod
    def load(run: str | Path, device: str | None = None) -> Pipeline:
        """The averaged weights of a run folder. UserError where there is no run or it cannot be read."""
        run, place = Path(run), find_device(device)
        advice = f"no run in {run}: train one (majolica demo), or name its folder with --run"
        config = io.load(config_of_run(run, "--run", advice))
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
        if config.train.precision != "fp32" and has_bf16(place):
            attend_by_products(model, place)
        return Pipeline(model.to(place).eval(), tokenizer, config, place, load_words(run))

    @property
    def resolution(self) -> int:
        """Base resolution in pixels."""
        return self.config.model.resolution

    @property
    def fit(self) -> Fit:
        """How pictures that are not square were fitted in training, and have to be fitted in use."""
        return self.config.data.fit

    @torch.inference_mode()
    def paint(
        self,
        prompts: Texts,
        size: int | None = None,
        properties: Mapping[str, Values] | None = None,
        steps: int = 20,
        guidance: float = 3.0,
        seed: int | Sequence[int] = 0,
        solver: str = "heun",
        *,
        property_guidance: float | None = None,
        batch: int = 1,
        progress: Progress | None = None,
    ) -> Tensor:
        """Paint one picture per prompt: uint8 `(B, 3, size, size)`; a string is one prompt.

        `size` is a multiple of the base resolution; at another size it is the same picture with other detail.
        `properties` are dials in their units, `seed` whole numbers from 0 to 2^63: one value for all, or one a prompt.
        `guidance` of 1 turns all guidance off, also that of properties (1.5 where `property_guidance` is None).
        `progress` hears how many of all steps are done.

        A picture depends on its own prompt, dials, settings and seed alone. On one machine with one number of threads
        that holds bit for bit while pictures are painted one at a time; with a larger `batch`, which is quicker, float
        rounding moves some values by 1 of 255. Raises UserError for what cannot be painted, and warns (`Notice`) of
        what cannot be painted well.
        """
        texts = read_texts(prompts)
        scale = self.scale(self.resolution if size is None else size)
        if solver not in SOLVERS:
            raise unknown("solver", str(solver), SOLVERS)
        brush = PaintSettings(
            scale, read_count(steps, "the number of steps"), read_guidance(guidance, property_guidance), solver
        )
        at_once, seeds = read_count(batch, "the batch"), read_seeds(seed, len(texts))
        condition = self.condition(texts, properties or {})
        read = map(tuple, condition.tokens_BL.tolist())  # "A Fox" and "a fox" are one prompt
        asked = zip(read, seeds, map(tuple, condition.values_BP.tolist()), strict=True)
        warn(
            [
                *text_notices(self.tokenizer, texts, self.config.model.text.length, self.known_words),
                *beyond_training(scale * self.resolution, self.config),
                *find_repeats(list(asked)),
            ]
        )
        starts = range(0, len(texts), at_once)
        tick = make_tick(progress, len(starts) * brush.steps)
        rows = [slice(start, start + at_once) for start in starts]
        return torch.cat([self._paint(condition[some], seeds[some], brush, tick) for some in rows])

    def _paint(self, condition: Condition, seeds: Sequence[int], brush: PaintSettings, tick: Tick) -> Tensor:
        noise_B3HW = torch.stack([draw_noise(seed, self.resolution, brush.scale) for seed in seeds]).to(self.device)
        with autocast_in_use(self.config.train.precision, self.device):
            image_B3HW = self.integrate(noise_B3HW, condition, brush.steps, brush.guidance, brush.solver, tick)
        if not bool(torch.isfinite(image_B3HW).all()):
            raise UserError(f"the picture has values that are not finite: lower the guidance ({brush.guidance.text:g})")
        return ((image_B3HW.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).cpu()

    @torch.inference_mode()
    def integrate(
        self, noise_B3HW: Tensor, condition: Condition, steps: int, weights: Guidance, solver: str, tick: Tick = silent
    ) -> Tensor:
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
                if scale > 1:
                    clean_B3HW = self.model.magnify(grid_BHWD, clean_B3HW, z_B3HW, t_B, window)
                return clean_B3HW.float()  # guidance would multiply bfloat16's rounding

            return guided(branch, condition, weights, t)

        return SOLVERS[solver](denoise, noise_B3HW, steps, tick)

    def scale(self, size: int) -> int:
        """k of an output size; UserError where it is no multiple of the base resolution, or too large."""
        return scale_of(read_whole(size, "the size"), self.resolution)

    def condition(self, prompts: Sequence[str], properties: Mapping[str, Values]) -> Condition:
        """Prompts and dials as the model takes them. UserError for dials that the model or its training lacks."""
        names, batch = self.config.model.properties, len(prompts)
        values_BP, has_BP = torch.zeros(batch, len(names)), torch.zeros(batch, len(names), dtype=torch.bool)
        for name, values_B in read_dials(properties, names, batch).items():
            values_BP[:, names.index(name)] = values_B
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
    def embed_images(self, images: Pictures) -> Tensor:
        """Unit embeddings `(B, E)` of one picture or several: paths, Pillow's pictures, or arrays of any size.

        Arrays are `HW`, `HWC`, `CHW`, `BHWC` or `BCHW`, uint8 or floats in [0, 1]. UserError for all else.
        """
        parts = []
        for pixels_B3HW in read_pictures(images, self.resolution, self.fit, 4 * BATCH):
            with autocast_in_use(self.config.train.precision, self.device):
                parts.append(self.model.see(pixels_B3HW.to(self.device) * 2 - 1))
        return torch.cat(parts)

    def embed_texts(self, texts: Texts) -> Tensor:
        """Unit embeddings `(B, E)` of captions; a string is one."""
        captions = read_texts(texts, "text")
        warn(text_notices(self.tokenizer, captions, self.config.model.text.length, self.known_words, "text"))
        return self._embed_texts(captions)

    @torch.inference_mode()
    def _embed_texts(self, captions: Sequence[str]) -> Tensor:
        parts = []
        for start in range(0, len(captions), 4 * BATCH):
            with autocast_in_use(self.config.train.precision, self.device):
                parts.append(self.model.read(self.encode(captions[start : start + 4 * BATCH])).embedding_BE)
        return torch.cat(parts)

    def embed_labels(self, labels: Texts) -> Tensor:
        """One unit embedding `(K, E)` per label, averaged over `majolica.text.templates`."""
        names = read_labels(labels)
        length = self.config.model.text.length
        warn(label_notices(self.tokenizer, names, length, self.known_words))
        return embed_labels(self._embed_texts, names, choose_templates(self.tokenizer.lengths, names, length))

    def classify(self, images: Pictures, labels: Texts) -> Tensor:
        """Probabilities `(B, K)` over two labels or more, of pictures as `embed_images` takes them."""
        labels_KE = self.embed_labels(labels)
        return self.compare(self.embed_images(images), labels_KE)

    @torch.inference_mode()
    def compare(self, images_BE: Tensor, labels_KE: Tensor) -> Tensor:
        """Probabilities `(B, K)` of embedded labels for embedded pictures: softmax of scaled cosine similarities."""
        return (images_BE @ labels_KE.T * self.model.logit_scale.exp()).softmax(1)


def warn(lines: Iterable[str]) -> None:
    """Warn whoever called the pipeline: `paint`, wrapped by torch, is two calls away from it."""
    for line in lines:
        warnings.warn(line, Notice, stacklevel=4)


def find_repeats(asked: Sequence[Hashable]) -> list[str]:
    """A line on the first picture that is asked for twice; none where each is another."""
    seen: dict[Hashable, int] = {}
    for row, wish in enumerate(asked):
        if seen.setdefault(wish, row) != row:
            return [
                f"pictures {seen[wish]} and {row} (counted from 0) have one prompt and one seed and are one"
                " picture: give each its own seed for variants"
            ]
    return []


def make_tick(progress: Progress | None, total: int) -> Tick:
    """A tick that tells `progress` how many of `total` steps are done."""
    if progress is None:
        return silent
    done = itertools.count(1)
    return lambda: progress(next(done), total)


def find_device(name: str | None) -> torch.device:
    """The device of that name, or the GPU if there is one; UserError where this machine lacks it."""
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was compiled for a GPU
        reason = str(error).split("\n")[0]
        raise UserError(f"the device {name!r} cannot be used here: {reason}") from error
    return device
