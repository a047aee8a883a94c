"""A trained model in use: it paints, embeds pictures and texts, and classifies pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from majolica.callbacks import ReportProgress
from majolica.config.run import RunConfig
from majolica.data.pictures.frame import Fit
from majolica.errors import UserError, shorten_value
from majolica.models.conditions import Condition
from majolica.models.majolica import Majolica
from majolica.models.precision import autocast_in_use
from majolica.sampling.calibration import Calibration
from majolica.sampling.foresight import add_seeded_noise, foresee, see_noisy
from majolica.sampling.guidance import PropertyWeights
from majolica.sampling.images import Pictures, read_pictures
from majolica.sampling.inputs import Texts, Values, read_labels, read_texts
from majolica.sampling.notices import warn
from majolica.sampling.paint_pictures import build_condition, paint_pictures
from majolica.sampling.palettes import Palettes
from majolica.sampling.request import DeliverPictures, PaintRequest, Size
from majolica.text.notices import label_notices, text_notices
from majolica.text.templates import choose_templates, embed_labels, left_out_notice, read_templates
from majolica.text.tokenizer import Tokenizer
from majolica.text.words import KnownWords

TOGETHER = 256
"""Pictures or texts that are embedded at once."""


@dataclass
class Pipeline:
    """A trained model with its tokenizer and its configuration."""

    model: Majolica
    tokenizer: Tokenizer
    config: RunConfig
    device: torch.device
    known_words: KnownWords | None = None
    """The words of the captions that it was trained on, where the run folder has them."""
    calibration: Calibration = field(default_factory=dict)
    """How its pictures respond to its properties, where that was measured."""
    weights_sha256: str = ""
    """The SHA-256 of the file of its weights; "" if they were not read from a file."""
    painted_bytes: int = 0
    """The most memory that it has painted with; see `check_memory`."""

    @staticmethod
    def load(
        run: str | Path,
        device: str | None = None,
        adapters: Sequence[str | Path] | None = None,
        more_adapters: Sequence[str | Path] = (),
    ) -> Pipeline:
        """The model of a run folder, with its averaged weights, or with those of one of its checkpoints.

        `run` may also be a checkpoint folder, or a safetensors file beside a `config.yaml`. The model
        lies on the GPU if there is one, unless `device` is named. `adapters` are files of what the run
        was taught (`majolica extend`): further properties, and to follow a reference. If it is None, they
        are those in the folder `adapters` of the run, but for those that belong to other weights, of which
        a `Notice` tells. `more_adapters` are loaded beside them.

        Raises UserError where there is no run, or where it or an adapter cannot be read.
        """
        from majolica.sampling.load import load_pipeline

        if not isinstance(run, str | Path):
            raise UserError(f"the run is {shorten_value(run)}: give the path of its folder")
        files = None if adapters is None else [Path(each) for each in adapters]
        return load_pipeline(Path(run), device, files, [Path(each) for each in more_adapters])

    @property
    def properties(self) -> tuple[str, ...]:
        """The properties that can be set: those that it was trained with, and those of adapters."""
        return (*self.config.model.properties, *(adapter.name for adapter in self.model.adapters))

    @property
    def resolution(self) -> int:
        """Base resolution in pixels."""
        return self.config.model.resolution

    @property
    def fit(self) -> Fit:
        """How training fitted pictures that are not square; use has to fit them in the same way."""
        return self.config.data.fit

    def paint(
        self,
        prompts: Texts,
        size: Size = None,
        properties: Mapping[str, Values] | None = None,
        steps: int = 20,
        guidance: float = 2.0,
        seed: int | Sequence[int] = 0,
        solver: str = "heun",
        *,
        property_guidance: PropertyWeights = None,
        churn: float = 4.0,
        batch: int = 1,
        last_time: float | str = "auto",
        tile: int | str = "auto",
        candidates: int = 1,
        project: bool = True,
        hold: bool = False,
        raw: bool = False,
        reference: Pictures | None = None,
        reference_guidance: float | None = None,
        palette: Palettes | None = None,
        any_size: bool = False,
        progress: ReportProgress | None = None,
    ) -> Tensor:
        """Paint one picture for each prompt.

        A picture depends on its own prompt, properties, settings and seed alone. On one machine with one number of
        threads that holds bit for bit while pictures are painted one at a time. `seed`, `properties`, `reference` and
        `palette` may each be one for all pictures, or a sequence with one for each.

        Args:
            prompts: What to paint; a string is one prompt.
            size: A multiple of the base resolution (the default), or width and height between 1:3 and 3:1, as "640x384"
                or (640, 384). One seed gives the same picture at every multiple of a size, with more detail at a
                larger one.
            properties: Values by name, in the unit of the property, or percentiles of the training pictures such as
                "p90". They are what pictures should measure.
            steps: Steps of the solver; more are slower and finer.
            guidance: How strongly to follow the prompt. 1 turns all guidance off, that of properties too.
            seed: A whole number from 0 to 2^63.
            solver: "heun", which evaluates the model twice a step, or "euler".
            churn: How much noise is added over all steps to what is already there, so that errors of earlier steps are
                forgotten (`sampling.churn`). With 0 nothing is added.
            property_guidance: One weight for all properties together, or a weight for each name. The usual ones are 2,
                and 3 for what is measured on pixels and cannot be projected.
            batch: Pictures painted at once. More are quicker, but their rounding moves some values by 1 of 255, and
                more where a palette has two colours that suit a pixel equally well.
            last_time: The flow time, 0 for noise and 1 for the picture, from which the last step goes to 1. "auto" is
                the time below which 99 % of the noisy rows of training lay.
            tile: The side in pixels of the parts in which a picture is decoded, which bounds the memory. "auto" uses
                512 for pictures beyond 1024 px, and "off" decodes every picture at once.
            candidates: Beginnings of each picture, of which the model's own eye chooses one early on.
            project: Keep predictions to `properties` while a picture is painted (`sampling.projection`). So also
                properties are followed that the model has not learned.
            hold: Keep all other properties what they are in the picture without any. It takes twice the time.
            raw: Leave out the calibration of the run (`majolica calibrate`), by which the model is asked for what makes
                pictures measure the values.
            reference: A picture whose subject and style are followed beside the prompt, if the run was taught that
                (`majolica extend RUN --reference`).
            reference_guidance: How strongly to follow `reference`: 2 if it is None, and 1 where guidance is off.
            palette: Two to five colours of which pictures are to be made, such as "teal, #f4a261, white". Predictions
                are projected onto them, so any run can.
            any_size: Let `size` be any: the smallest size around it that the model can paint is cut to its proportions
                and scaled down.
            progress: Called with how many steps are done, and of how many.

        Returns:
            The pictures, uint8 `(B, 3, H, W)`.

        Raises:
            UserError: for what cannot be painted. A `Notice` warns of what cannot be painted well.
        """
        chosen = {} if properties is None else properties
        request = PaintRequest(
            prompts=prompts,
            size=size,
            properties=chosen,
            steps=steps,
            guidance=guidance,
            seed=seed,
            solver=solver,
            property_guidance=property_guidance,
            churn=churn,
            batch=batch,
            last_time=last_time,
            tile=tile,
            candidates=candidates,
            project=project,
            hold=hold,
            raw=raw,
            reference=reference,
            reference_guidance=reference_guidance,
            palette=palette,
            any_size=any_size,
        )
        return self.paint_request(request, progress)

    def paint_request(
        self,
        request: PaintRequest,
        progress: ReportProgress | None = None,
        deliver: DeliverPictures | None = None,
    ) -> Tensor:
        """Paint what one object asks for, in the way of `paint`; `deliver` gets every batch when it is done."""
        return paint_pictures(self, request, progress, deliver)

    def condition(self, prompts: Sequence[str], properties: Mapping[str, Values]) -> Condition:
        """Prompts and properties in the form that the model takes; those that it does not have are left out."""
        return build_condition(self, prompts, properties)

    def encode(self, texts: Sequence[str]) -> Tensor:
        """The tokens of texts, `(B, L)`, where L is the length that the model reads."""
        return self.tokenizer.encode(texts, self.config.model.text.length).to(self.device)

    @torch.inference_mode()
    def embed_images(self, images: Pictures) -> Tensor:
        """Embeddings `(B, E)` of unit length, of one picture or several.

        A picture is a path, a Pillow image, or an array of any size.

        Arrays are `HW`, `HWC`, `CHW`, `BHWC` or `BCHW`, uint8 or floats in [0, 1]. UserError for
        anything else.
        """
        parts = []
        for pixels_B3HW in read_pictures(images, self.resolution, self.fit, TOGETHER):
            with autocast_in_use(self.config.train.precision, self.device):
                parts.append(self.model.see(pixels_B3HW.to(self.device) * 2 - 1))
        return torch.cat(parts)

    @torch.inference_mode()
    def embed_noisy(self, images_B3HW: Tensor, t: float, seeds: Sequence[int], predict: bool = False) -> Tensor:
        """Embeddings `(B, E)` of unit length of uint8 base-size pictures that are noisy as at flow time `t`.

        Each has the noise of its seed. With `predict`, what is embedded is the clean picture that the
        model predicts without any caption; otherwise it is the noisy picture itself.
        """
        clean_B3HW = images_B3HW.to(self.device).float() / 255 * 2 - 1  # as `embed_images` reads them
        noisy_B3HW = add_seeded_noise(clean_B3HW, t, seeds)
        t_B = torch.full((len(noisy_B3HW),), t, device=self.device)
        with autocast_in_use(self.config.train.precision, self.device):
            if not predict:
                return see_noisy(self.model, noisy_B3HW, t_B)
            asked = self.condition([""] * len(noisy_B3HW), {})
            nothing = dataclasses.replace(asked, has_text_B=torch.zeros_like(asked.has_text_B))
            return foresee(self.model, noisy_B3HW, t_B, self.model.read(nothing.tokens_BL), nothing)

    def embed_texts(self, texts: Texts) -> Tensor:
        """Embeddings `(B, E)` of unit length, of captions; a string is one caption."""
        captions = read_texts(texts, "text")
        warn(text_notices(self.tokenizer, captions, self.config.model.text.length, self.known_words, "text"))
        return self._embed_texts(captions)

    @torch.inference_mode()
    def _embed_texts(self, captions: Sequence[str]) -> Tensor:
        parts = []
        for start in range(0, len(captions), TOGETHER):
            with autocast_in_use(self.config.train.precision, self.device):
                parts.append(self.model.read(self.encode(captions[start : start + TOGETHER])).embedding_BE)
        return torch.cat(parts)

    def embed_labels(self, labels: Texts, templates: Sequence[str] | None = None) -> Tensor:
        """One embedding of unit length for each label, `(K, E)`.

        It is the mean over the sentences of `majolica.text.templates`, or of `templates`, in which `{}` is
        the label with its article and `{label}` the bare label. Raises UserError for a template that
        does not name the label once.
        """
        names, length = read_labels(labels), self.config.model.text.length
        asked = read_templates(templates)
        kept = choose_templates(self.tokenizer.lengths, names, length, asked)
        warn(label_notices(self.tokenizer, names, length, self.known_words))
        if templates is not None and (notice := left_out_notice(kept, asked, length)):
            warn([notice])
        return embed_labels(self._embed_texts, names, kept)

    def choose_templates(self, labels: Texts, templates: Sequence[str] | None = None) -> Sequence[str]:
        """Those of the templates that `embed_labels` uses for these labels: in them no label is cut off."""
        length = self.config.model.text.length
        return choose_templates(self.tokenizer.lengths, read_labels(labels), length, read_templates(templates))

    def classify(self, images: Pictures, labels: Texts, templates: Sequence[str] | None = None) -> Tensor:
        """Probabilities `(B, K)` over two or more labels; pictures are as in `embed_images`, templates as in
        `embed_labels`."""
        labels_KE = self.embed_labels(labels, templates)
        return self.compare(self.embed_images(images), labels_KE)

    @torch.inference_mode()
    def compare(self, images_BE: Tensor, labels_KE: Tensor) -> Tensor:
        """Probabilities `(B, K)` from embeddings: the softmax of scaled cosine similarities."""
        return (images_BE @ labels_KE.T * self.model.logit_scale.exp()).softmax(1)
