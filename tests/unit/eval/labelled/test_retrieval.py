"""Recall of pictures and captions, against plain loops and by hand."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from levels import NAMES, flat, level
from majolica.data.store.pack import write_shards
from majolica.data.store.record import Record
from majolica.errors import UserError
from majolica.eval.evaluators.retrieval import Retrieval, load_captioned
from majolica.eval.labelled.captions import captions_of, pair_captions
from majolica.eval.labelled.clip_benchmark import BenchmarkedModel
from majolica.eval.labelled.ranks import best_ranks, chance_of_recall, group_interval, weighted_median
from majolica.eval.protocol import EvalData, Split


def split(ks: Sequence[int], captions: Sequence[str], metas: Sequence[dict[str, Any]] = ()) -> Split:
    """One picture of level k for each caption; pictures of equal k are equal in every pixel."""
    images = torch.tensor([level(k) for k in ks], dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 8, 8)
    return Split(images.contiguous(), list(captions), metas or [{} for _ in ks])


def random_case() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    queries_QE = F.normalize(torch.randn(40, 6, generator=generator), dim=-1)
    targets_TE = F.normalize(torch.randn(90, 6, generator=generator), dim=-1)
    pairs = {(q, int(t)) for q in range(40) for t in torch.randint(90, (1 + q % 5,), generator=generator)}
    return queries_QE, targets_TE, torch.tensor(sorted(pairs))


@pytest.mark.parametrize("chunk", [1, 7, 512])
def test_ranks_against_a_sort(chunk: int) -> None:
    queries_QE, targets_TE, pairs_P2 = random_case()
    expected = []
    for q in range(40):
        order = (queries_QE[q] @ targets_TE.T).argsort(descending=True).tolist()
        right = set(pairs_P2[pairs_P2[:, 0] == q, 1].tolist())
        others = [t for t in order if t not in right]
        first = next(t for t in order if t in right)
        expected.append(1 + sum(order.index(t) < order.index(first) for t in others))
    assert best_ranks(queries_QE, targets_TE, pairs_P2, chunk).tolist() == expected


def test_recall_agrees_with_top_k_of_all_targets() -> None:
    """The recall of CLIP-like papers: is any right target among the first K of all targets?"""
    queries_QE, targets_TE, pairs_P2 = random_case()
    belongs_QT = torch.zeros(40, 90, dtype=torch.bool)
    belongs_QT[pairs_P2[:, 0], pairs_P2[:, 1]] = True
    ranks_Q = best_ranks(queries_QE, targets_TE, pairs_P2)
    for k in (1, 5, 10):
        top_Qk = (queries_QE @ targets_TE.T).topk(k, 1).indices
        assert torch.equal(ranks_Q <= k, belongs_QT.gather(1, top_Qk).any(1))


def test_a_model_with_one_embedding_for_all_finds_nothing() -> None:
    pairs_P2 = torch.tensor([[q, q] for q in range(20)])
    assert best_ranks(torch.ones(20, 3), torch.ones(20, 3), pairs_P2).tolist() == [20] * 20


def test_chance_is_what_random_orders_give() -> None:
    pairs_P2 = torch.tensor([[0, 0], [1, 1], [1, 2], [1, 3], [2, 4], [2, 5]])
    rng, hits = np.random.default_rng(0), 0
    for _ in range(4000):
        first = set(rng.permutation(12)[:5].tolist())
        hits += sum(bool(first & right) for right in ({0}, {1, 2, 3}, {4, 5}))
    assert chance_of_recall(pairs_P2, 3, 12, 5) == pytest.approx(hits / 12000, abs=0.01)
    assert chance_of_recall(pairs_P2, 3, 12, 1) == pytest.approx((1 + 3 + 2) / 3 / 12)
    assert chance_of_recall(pairs_P2, 3, 12, 12) == 1


def test_weighted_median_is_that_of_repeated_ranks() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        ranks, weights = np.sort(rng.integers(1, 9, size=7)), rng.integers(0, 4, size=7)
        weights[0] += 1
        assert weighted_median(ranks, weights) == np.median(np.repeat(ranks, weights))


def test_the_interval_of_groups_is_wider_than_that_of_queries() -> None:
    """Five captions of a picture that are found or missed together say no more than one."""
    hits = np.repeat(np.random.default_rng(0).random(100) < 0.5, 5)

    def width(groups_Q: torch.Tensor) -> float:
        low, high = group_interval(lambda weights: float((weights * hits).sum() / weights.sum()), groups_Q)
        return high - low

    assert width(torch.arange(100).repeat_interleave(5)) == pytest.approx(5**0.5 * width(torch.arange(500)), rel=0.1)


def test_any_caption_of_a_picture_is_a_hit(seer: Any, nothing: EvalData) -> None:
    ks = [0, 1, 2, 3, 4, 5]
    captions = [f"a {NAMES[k]}" for k in ks]
    # The second sample of the fox has a caption of an umbrella, which is the umbrella's too.
    data = split([*ks, 4], [*captions, "The umbrella"])
    result = Retrieval(data)(seer(), nothing)
    assert result.protocol["pictures"] == 6 and result.protocol["captions"] == 7
    metrics = result.metrics
    assert metrics["image_to_text_r1"] == pytest.approx(5 / 6), "the umbrella has a rival that is just as similar"
    assert metrics["image_to_text_r5"] == 1 and metrics["image_to_text_median_rank"] == 1
    assert metrics["text_to_image_r1"] == pytest.approx(6 / 7)
    # Of seven captions a picture of one finds its own by chance in 1 of 7, and the fox in 2 of 7.
    assert metrics["image_to_text_chance_r1"] == pytest.approx((5 / 7 + 2 / 7) / 6)
    assert set(result.intervals) <= set(metrics)
    low, high = result.intervals["text_to_image_r1"]
    assert 0 <= low < 6 / 7 < high <= 1
    assert not result.files


def test_other_pictures_also_give_the_file_that_clip_benchmark_reads(seer: Any, nothing: EvalData) -> None:
    data = split([0, 1, 2], [f"a {NAMES[k]}" for k in (0, 1, 1)])
    model = BenchmarkedModel("majolica-demo", "123abc")
    result = Retrieval(data, source="/data/flickr30k/", model=model)(seer(), nothing)
    ((file, content),) = result.files.items()
    written = json.loads(content)
    assert file == "clip_benchmark_retrieval-flickr30k.json"
    assert written.pop("metrics")["image_retrieval_recall@1"] == result.metrics["text_to_image_r1"]
    assert written == {
        "dataset": "flickr30k",
        "model": "majolica-demo",
        "pretrained": "123abc",
        "task": "zeroshot_retrieval",
        "language": "en",
        "source": "/data/flickr30k",
    }


def test_folders_of_one_name_have_files_of_their_own(tmp_path: Path) -> None:
    model, names = BenchmarkedModel(folder=tmp_path), []
    for source in ("/a/val", "/b/val", "/a/val", "/b/val/"):
        [(name, content)] = model.files({}, "zeroshot_retrieval", source).items()
        (tmp_path / name).write_text(content)
        names.append(name)
    assert names[0] == names[2] == "clip_benchmark_retrieval-val.json"
    assert names[1] == names[3] != names[0] and len(list(tmp_path.iterdir())) == 2


def test_equal_captions_are_one_caption_and_never_wrong(seer: Any, nothing: EvalData) -> None:
    """Pictures of foxes that differ in a pixel have one caption: each of them is right for it."""
    data = split([4, 4, 4, 5], ["a fox", "A fox", "a fox ", "an owl"])
    images_B3HW = data.images_B3HW.clone()
    images_B3HW[1, 0, 0, 0] += 1
    images_B3HW[2, 0, 0, 0] += 2
    result = Retrieval(replace(data, images_B3HW=images_B3HW))(seer(), nothing)
    assert result.protocol["pictures"] == 4 and result.protocol["captions"] == 2
    assert result.metrics["image_to_text_r1"] == result.metrics["text_to_image_r1"] == 1


def test_captions_of_metadata() -> None:
    karpathy = {"sentences": [{"raw": "a fox ", "tokens": ["a", "fox"]}, {"raw": "red fur"}, 3]}
    assert captions_of("a fox", karpathy) == ["a fox", "red fur"]
    assert captions_of("one", {"captions": ["two", None]}) == ["one", "two"]
    assert captions_of("one\ntwo", {}) == ["one\ntwo"]


def test_the_hash_ignores_the_order_and_sees_changes() -> None:
    first = pair_captions(split([0, 1], ["a fox", "an owl"])).sha256
    assert pair_captions(split([1, 0], ["an owl", "a fox"])).sha256 == first
    assert pair_captions(split([1, 0], ["a fox", "an owl"])).sha256 != first
    assert pair_captions(split([0, 2], ["a fox", "an owl"])).sha256 != first


def test_shards_with_a_broken_picture_and_a_caption_in_another_encoding(
    tmp_path: Path, seer: Any, nothing: EvalData, caplog: pytest.LogCaptureFixture
) -> None:
    records = [Record(flat(k), "png", f"a {NAMES[k]}", {"captions": [f"one {NAMES[k]}"]}) for k in range(7)]
    records.append(Record(b"\x89PNG nonsense", "png", "a broken fox", {}))
    write_shards(tmp_path / "s", records)
    tar = tmp_path / "s" / "00000.tar"
    for index in tar.parent.glob("*.mjidx"):
        index.unlink()
    tar.write_bytes(tar.read_bytes().replace(b"a cactus\0", b"a c\xe4ctus\0"[:9]))
    with caplog.at_level(logging.WARNING):
        data = load_captioned(tmp_path / "s", 8, "crop")
    assert "caption is not UTF-8" in caplog.text and "picture cannot be decoded" in caplog.text
    result = Retrieval(data, fit="crop")(seer(), nothing)
    assert result.protocol["pictures"] == 6 and result.protocol["captions"] == 12
    json.dumps(result.protocol)
    assert result.metrics["image_to_text_r1"] == result.metrics["text_to_image_r1"] == 1


def test_too_little_to_find_is_said(seer: Any, nothing: EvalData) -> None:
    assert Retrieval().explain_lack(nothing) == "There are no held-out pictures with captions."
    assert Retrieval(split([0], ["a fox"])).explain_lack(nothing) == ""
    with pytest.raises(UserError, match="no held-out captions to find"):
        Retrieval()(seer(), nothing)
    with pytest.raises(UserError, match="there are 2 pictures and 1 caption: give more"):
        Retrieval(split([0, 1], ["a fox", "A FOX"]))(seer(), nothing)
    held = replace(nothing, heldout=split([4, 5], ["a fox", "an owl"]))
    assert Retrieval()(seer(), held).metrics["image_to_text_r1"] == 1
