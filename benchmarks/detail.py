"""How good the detail of larger pictures is, on drawings that exist at any size. `python -m benchmarks.detail --json`.

The drawings are vectors, so every held-out picture has a true render at any size. For each scale k:

* patch_fd: the Frechet distance between crops of painted pictures and the same crops of true renders, on the features
  of the judge of this data set (a proxy, and not FID): of our pictures, of our base pictures enlarged in three ways,
  and of our base pictures with the details of another picture. The intervals are those of a bootstrap over pictures.
* octaves: power above the base picture's Nyquist frequency, over that of true renders.
* seam_index and cell_index: steps where tokens meet, and between pixels of the base picture, over steps elsewhere.
* oracle: a true base picture with the detail that the decoder adds at flow time t, beside bicubic enlargement: how near
  both are to the true render. This is measured at scales without training too.
* diversity: mean standard deviation over seeds of the details of one true base picture at t = 0.3, in shades of 255.
* ssim_pooled: structural similarity of the large picture, pooled, and the base picture of the same seed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor

from majolica.cli import run_and_explain
from majolica.config.io import load_config
from majolica.config.resolutions import trained_sizes
from majolica.data.drawings.make import DrawingPlan, plan_drawings
from majolica.errors import Notice, UserError
from majolica.eval.begin_judges import judge_spec
from majolica.eval.brush import Brush
from majolica.eval.detail import octave_ratios, seam_index
from majolica.eval.facts import read_json
from majolica.eval.judge.judge import Judge
from majolica.eval.run_data import find_homes, load_run_data
from majolica.metrics.frechet import frechet_distance
from majolica.models.interpolation import Window
from majolica.models.pooling import details, pool, repeat, shape_noise
from majolica.models.precision import autocast_in_use
from majolica.objectives.flow import add_noise
from majolica.sampling.pipeline import Pipeline

CROPS = 4
"""Crops of each picture."""
TIMES = (0.3, 0.5, 0.8)
SEEDS = 8
"""Of the diversity."""


@dataclass(frozen=True)
class Truth:
    """The held-out drawings of a run's data set, at any size."""

    design: DrawingPlan
    count: int

    def captions(self) -> list[str]:
        return [self.design.sample("combinations", i).caption for i in range(self.count)]

    def render(self, size: int) -> Tensor:
        """uint8 `B3HW`."""
        design = plan_drawings([d.name for d in self.design.drawings], size, self.design.objects, self.design.seed)
        images = [design.sample("combinations", i).image for i in range(self.count)]
        return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()


def resize(images_B3HW: Tensor, scale: int, how: Image.Resampling, sharpen: bool = False) -> Tensor:
    """uint8 pictures k times as large, as Pillow enlarges them."""

    def one(image_3HW: Tensor) -> Tensor:
        picture = Image.fromarray(image_3HW.permute(1, 2, 0).numpy())
        picture = picture.resize((picture.width * scale, picture.height * scale), how)
        if sharpen:
            picture = picture.filter(ImageFilter.UnsharpMask(radius=scale / 2, percent=150, threshold=0))
        return torch.from_numpy(np.array(picture)).permute(2, 0, 1)

    return torch.stack([one(image) for image in images_B3HW])


def shuffle_details(painted_B3HW: Tensor, scale: int) -> Tensor:
    """Every base picture with the details of the next picture."""
    own_B3HW = details(painted_B3HW.float(), scale)
    return (painted_B3HW - own_B3HW + own_B3HW.roll(1, 0)).round().clamp(0, 255).to(torch.uint8)


def crop_features(judge: Judge, images_B3HW: Tensor, side: int) -> Tensor:
    """Features `(B, CROPS, D)` of crops of `side` pixels; all sets of pictures get the same crops."""
    rng = np.random.default_rng(0)
    most = images_B3HW.shape[2] - side
    corners = rng.integers(0, most + 1, (len(images_B3HW), CROPS, 2))
    crops = [
        image[:, top : top + side, left : left + side]
        for image, some in zip(images_B3HW, corners.tolist(), strict=True)
        for top, left in some
    ]
    return judge.describe(torch.stack(crops)).view(len(images_B3HW), CROPS, -1)


def patch_fd(features_BCD: Tensor, real_BCD: Tensor, resamples: int) -> dict[str, float]:
    """The distance and its 95 % interval from a bootstrap over pictures, which both sides share."""
    rng = np.random.default_rng(0)
    whole = frechet_distance(features_BCD.flatten(0, 1), real_BCD.flatten(0, 1))
    found = []
    for _ in range(resamples):
        rows = torch.from_numpy(rng.integers(0, len(real_BCD), len(real_BCD)))
        found.append(frechet_distance(features_BCD[rows].flatten(0, 1), real_BCD[rows].flatten(0, 1)))
    # A resample has fewer different pictures, so it lies higher; its spread is what counts.
    low, high = np.quantile(found, (0.025, 0.975)) - statistics.mean(found) + whole
    return {"fd": round(whole, 3), "low": round(float(low), 3), "high": round(float(high), 3)}


def measure_painting(
    pipeline: Pipeline, truth: Truth, judge: Judge, scale: int, base_B3HW: Tensor, resamples: int
) -> tuple[dict[str, object], Tensor]:
    """What is measured on painted pictures, and these pictures."""
    base, patch = pipeline.resolution, pipeline.config.model.patch
    painted_B3HW = Brush().paint(pipeline, truth.captions(), base * scale)
    real_B3HW = truth.render(base * scale)
    sets = {
        "ours": painted_B3HW,
        "nearest": resize(base_B3HW, scale, Image.Resampling.NEAREST),
        "lanczos": resize(base_B3HW, scale, Image.Resampling.LANCZOS),
        "lanczos, sharpened": resize(base_B3HW, scale, Image.Resampling.LANCZOS, sharpen=True),
        "details of another picture": shuffle_details(painted_B3HW, scale),
    }
    real_BCD = crop_features(judge, real_B3HW, base)
    pooled_B3HW = pool(painted_B3HW.float(), scale).round().to(torch.uint8)
    found: dict[str, object] = {
        "patch_fd": {
            name: patch_fd(crop_features(judge, some, base), real_BCD, resamples) for name, some in sets.items()
        },
        "octaves": {name: [round(x, 3) for x in octave_ratios(some, real_B3HW, scale)] for name, some in sets.items()},
        "seam_index": round(seam_index(painted_B3HW, patch * scale), 4),
        "seam_index_real": round(seam_index(real_B3HW, patch * scale), 4),
        "cell_index": round(seam_index(painted_B3HW, scale), 4),
        "cell_index_real": round(seam_index(real_B3HW, scale), 4),
        "ssim_pooled": round(statistics.mean(map(ssim, pooled_B3HW, base_B3HW)), 4),
    }
    return found, painted_B3HW


@torch.inference_mode()
def add_detail(
    pipeline: Pipeline, captions: Sequence[str], true_B3HW: Tensor, scale: int, t: float, seed: int
) -> Tensor:
    """True base pictures with the detail that the decoder sees in their noisy renders: uint8 `B3HW`."""
    model, device = pipeline.model, pipeline.device
    clean_B3HW = true_B3HW.to(device).float() / 127.5 - 1
    noise_B3HW = torch.randn(clean_B3HW.shape, generator=torch.Generator().manual_seed(seed)).to(device)
    t_B = torch.full((len(captions),), t, device=device)
    noise_B3HW = shape_noise(noise_B3HW, scale, model.config.decoder.detail_noise)
    z_B3HW, condition = add_noise(clean_B3HW, t_B, noise_B3HW), pipeline.condition(captions, {})
    with autocast_in_use(pipeline.config.train.precision, device):
        noisy_B3HW = pool(z_B3HW, scale)
        tokens_BND, time_BD = model.perceive(noisy_B3HW, t_B)
        text = model.read(condition.tokens_BL)
        grid_BHWD, _ = model.paint(tokens_BND, time_BD, text, condition, noisy_B3HW, t_B)
        window = Window.whole(len(captions), scale, device)
        base_B3HW = pool(clean_B3HW, scale)
        out_B3HW = repeat(base_B3HW, scale) + model.predict_details(grid_BHWD, base_B3HW, z_B3HW, t_B, window)
    return ((out_B3HW.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).cpu()


def measure_oracle(pipeline: Pipeline, truth: Truth, scale: int) -> dict[str, dict[str, float]]:
    """How near a true base picture comes to the true render: with our detail at several times, and bicubic."""
    true_B3HW, captions = truth.render(pipeline.resolution * scale), truth.captions()
    base_B3HW = pool(true_B3HW.float(), scale).round().to(torch.uint8)
    sets = {f"t {t}": add_detail(pipeline, captions, true_B3HW, scale, t, seed=0) for t in TIMES}
    sets["bicubic"] = resize(base_B3HW, scale, Image.Resampling.BICUBIC)
    return {name: measure_similarity(some, true_B3HW) for name, some in sets.items()}


def measure_similarity(images_B3HW: Tensor, true_B3HW: Tensor) -> dict[str, float]:
    """PSNR in dB, structural similarity, and the mean error of the gradient of luma in shades of 255."""
    error_B = (images_B3HW.float() - true_B3HW.float()).square().mean((1, 2, 3)).clamp(min=1e-3)
    edges = (gradient_length(images_B3HW) - gradient_length(true_B3HW)).abs().mean()
    return {
        "psnr": round(float((10 * (255**2 / error_B).log10()).mean()), 2),
        "ssim": round(statistics.mean(map(ssim, images_B3HW, true_B3HW)), 4),
        "edge_error": round(float(edges), 3),
    }


def gradient_length(images_B3HW: Tensor) -> Tensor:
    """The length of the gradient of the mean over colours."""
    grey_BHW = images_B3HW.float().mean(1)
    down_BHW, right_BHW = torch.gradient(grey_BHW, dim=(1, 2))
    return torch.hypot(down_BHW, right_BHW)


def ssim(one_3HW: Tensor, other_3HW: Tensor) -> float:
    """Structural similarity (Wang et al. 2004) by scikit-image."""
    from skimage.metrics import structural_similarity

    return float(structural_similarity(one_3HW.numpy(), other_3HW.numpy(), channel_axis=0, data_range=255))


def measure_diversity(pipeline: Pipeline, truth: Truth, scale: int) -> float:
    """How much the details of one base picture differ from seed to seed."""
    true_B3HW, captions = truth.render(pipeline.resolution * scale)[:16], truth.captions()[:16]
    many = [add_detail(pipeline, captions, true_B3HW, scale, TIMES[0], seed).float() for seed in range(SEEDS)]
    return round(float(torch.stack(many).std(0).mean()), 3)


def draw_sheet(columns: Sequence[Tensor], path: Path, rows: int = 4) -> None:
    """Draw pictures of several sizes side by side, all equally large, one picture in each row."""
    side = max(images.shape[2] for images in columns)
    sheet = Image.new("RGB", ((side + 4) * len(columns), (side + 4) * rows), "white")
    for i, images_B3HW in enumerate(columns):
        for j, image in enumerate(images_B3HW[:rows]):
            picture = Image.fromarray(image.permute(1, 2, 0).numpy()).resize((side, side), Image.Resampling.NEAREST)
            sheet.paste(picture, (i * (side + 4), j * (side + 4)))
    sheet.save(path)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--run", type=Path, default=Path("runs/demo"))
    parser.add_argument("--scales", type=int, nargs="*", default=[2, 4], help="at which pictures are painted")
    parser.add_argument("--oracle-scales", type=int, nargs="*", default=[2, 3, 4, 8])
    parser.add_argument("--pictures", type=int, default=256)
    parser.add_argument("--resamples", type=int, default=50)
    parser.add_argument("--sheet", type=Path, help="PNG to write: base, our sizes, true render, row by row")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore", Notice)  # sizes beyond training are what is asked for
    config, pipeline = load_config(options.run / "config.yaml"), Pipeline.load(options.run)
    data = load_run_data(config, 1)
    if reason := data.explain_no_drawings():
        raise UserError(reason)
    folder = find_homes(config)[0]
    made, names = read_json(folder / "dataset.json"), data.names
    design = plan_drawings(names, pipeline.resolution, int(made.get("objects", 1)), int(made.get("seed", 0)))
    truth = Truth(design, options.pictures)
    judge = Judge.load_or_train(folder, judge_spec(folder, names, config))
    base_B3HW = Brush().paint(pipeline, truth.captions())
    found: dict[str, object] = {"trained": list(trained_sizes(config)), "pictures": options.pictures}
    columns = [base_B3HW]
    for scale in options.scales:
        result, painted_B3HW = measure_painting(pipeline, truth, judge, scale, base_B3HW, options.resamples)
        columns.append(painted_B3HW)
        found[f"{scale}x"] = result
        print(f"{scale}x: {result}", file=sys.stderr, flush=True)
    few = Truth(design, min(64, options.pictures))
    found["oracle"] = {f"{scale}x": measure_oracle(pipeline, few, scale) for scale in options.oracle_scales}
    found["diversity"] = {f"{scale}x": measure_diversity(pipeline, few, scale) for scale in options.scales}
    if options.sheet:
        draw_sheet([*columns, truth.render(pipeline.resolution * max(options.scales))], options.sheet)
    if options.json:
        print(json.dumps(found))


if __name__ == "__main__":
    sys.exit(run_and_explain(main))
