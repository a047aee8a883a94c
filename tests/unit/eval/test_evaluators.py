"""The evaluators in a world where every answer is known beforehand."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import pytest
import torch
from scipy.stats import spearmanr

from majolica.errors import Notice, UserError
from majolica.eval.brush import Brush
from majolica.eval.control.statistics import spearman
from majolica.eval.evaluators.control import Control
from majolica.eval.evaluators.detail import Detail
from majolica.eval.evaluators.fidelity import Fidelity
from majolica.eval.evaluators.gallery import Gallery
from majolica.eval.evaluators.likeness import Likeness
from majolica.eval.evaluators.zero_shot import ZeroShot, attribute_answers
from majolica.eval.labelled.embed import embed_classes
from majolica.eval.painters import Painters, Workload
from majolica.eval.paintings import Paintings
from majolica.eval.protocol import EvalData, Figure, Split, Table, share_error
from majolica.sampling.request import PaintRequest
from majolica.text.template_sets import DEFAULT, find_templates


def empty(data: EvalData) -> EvalData:
    nothing = Split(torch.zeros(0, 3, 8, 8, dtype=torch.uint8), (), ())
    return replace(data, heldout=nothing, combinations=nothing)


def table(result: Any, title: str) -> Table:
    return next(part for part in result.parts if isinstance(part, Table) and part.title == title)


def test_zero_shot_counts(pipeline: Any, data: EvalData) -> None:
    perfect = ZeroShot()(pipeline(), data)
    assert perfect.metrics["zero_shot_top1"] == 1
    assert perfect.metrics["chance"] == pytest.approx(1 / 5)
    wrong = ZeroShot()(pipeline({4: 2}), data)  # foxes look like cactuses to it
    assert wrong.metrics["zero_shot_top1"] == pytest.approx(0.8)
    assert table(wrong, "Hardest classes").rows == [["fox", "0%", "0 of 4", "cactus 4"]]


def test_what_is_said_of_drawings_is_not_said_of_other_pictures(pipeline: Any, data: EvalData) -> None:
    own = replace(data, drawn=False, combinations=empty(data).combinations)
    seen = replace(own, trained_on=True)
    zero_shot, gallery = ZeroShot(templates=find_templates("imagenet")), Gallery(8, 8, scales=(1,))
    assert ZeroShot()(pipeline(), data).note.startswith("Each of 20 unseen renderings gets")
    for known, held in ((own, "held-out pictures"), (seen, "pictures of training")):
        note = zero_shot(pipeline(), known).note
        assert note.startswith(f"Each of 20 {held} gets") and "(each is the mean over 80 sentences)" in note
    assert "never showed it" in gallery(pipeline(), data).note
    for known, source in ((own, "held-out pictures"), (seen, "training pictures")):
        found = gallery(pipeline(), known)
        assert found.note == f"The prompts are captions of {source}. Nothing is chosen by hand."
        assert found.parts[0].title == f"Captions of {source}"
    control = Control(("brightness",), prompts=2, values=2)
    assert "say nothing about light" in control(pipeline(), data).note
    assert "say nothing about light" not in control(pipeline(), replace(own, names=())).note


def test_zero_shot_with_two_things(pipeline: Any, data: EvalData) -> None:
    metas = [{"names": [meta["names"][0], "dolphin"]} for meta in data.heldout.metas]
    both = replace(data, heldout=replace(data.heldout, metas=metas))
    result = ZeroShot()(pipeline({0: 1}), both)  # apples are called dolphins, and a dolphin is there
    assert result.metrics["zero_shot_top1"] == 1
    assert result.metrics["chance"] == pytest.approx((4 * 2 + 1) / 25)


def test_the_sentences_around_names_are_not_complained_of(pipeline: Any) -> None:
    """Whoever evaluates did not write "an illustration of a fox", and cannot write it better."""

    class Strict(pipeline):  # type: ignore[misc]
        def embed_labels(self, labels: list[str], templates: tuple[str, ...]) -> torch.Tensor:
            warnings.warn(f"the label {labels[0]} is unknown", Notice, stacklevel=2)
            return super().embed_labels(labels, templates)

    with warnings.catch_warnings():
        warnings.simplefilter("error", Notice)
        embed_classes(Strict(), ("dolphin", "fox"), DEFAULT)


def test_an_answer_counts_for_the_thing_that_it_names_or_else_for_the_first() -> None:
    found_N = attribute_answers([{0}, {4}, {2, 3}, {2, 3}, {4, 1}], torch.tensor([0, 3, 3, 2, 0]))
    assert found_N.tolist() == [0, 4, 3, 2, 1]


def test_fidelity_counts(pipeline: Any, judge: Any, data: EvalData) -> None:
    assert Fidelity(judge, Paintings(20))(pipeline(), data).metrics["prompt_fidelity"] == 1
    result = Fidelity(judge, Paintings(20))(pipeline({4: 2, 3: 0}), data)
    assert result.metrics["prompt_fidelity"] == pytest.approx(0.6)
    assert result.metrics["classifier_accuracy"] == 0.99
    rows = {row[0]: row[1:] for row in table(result, "Name by name").rows}
    assert rows["fox"] == ["0%", "0 of 4", "cactus 4"]
    assert rows["dolphin"] == ["100%", "4 of 4", "–"]


def test_fidelity_spreads_over_the_split(pipeline: Any, judge: Any, data: EvalData) -> None:
    painter = pipeline()
    result = Fidelity(judge, Paintings(4, Brush(steps=3)))(painter, data)
    assert result.metrics["prompt_fidelity_pictures"] == 4
    assert painter.calls[0].prompts == [data.combinations.captions[i] for i in (0, 5, 10, 15)]
    assert painter.calls[0].steps == 3
    assert Fidelity(judge, Paintings(999))(pipeline(), data).metrics["prompt_fidelity_pictures"] == 20


@pytest.mark.parametrize(("second", "share"), [("dolphin", 1.0), ("fox", 0.2)])
def test_fidelity_wants_every_thing(pipeline: Any, judge: Any, data: EvalData, second: str, share: float) -> None:
    class SeesTwo:
        """Sees the thing painted and, a little, a second one besides."""

        names, scores = judge.names, judge.scores

        def answer(self, images_B3HW: torch.Tensor) -> torch.Tensor:
            answers_JBK = judge.answer(images_B3HW)
            answers_JBK[..., judge.names.index(second)] += 0.05
            return answers_JBK

    # Where only the dolphin is asked for, one thing is enough; where two are, both must be seen.
    metas = [{"names": [meta["names"][0], "dolphin"]} for meta in data.combinations.metas]
    both = replace(data, combinations=replace(data.combinations, metas=metas))
    assert Fidelity(SeesTwo(), Paintings(20))(pipeline(), both).metrics["prompt_fidelity"] == pytest.approx(share)


def test_fidelity_refuses_a_judge_of_other_names(pipeline: Any, judge: Any, data: EvalData) -> None:
    with pytest.raises(UserError, match="other names"):
        Fidelity(judge)(pipeline(), replace(data, names=data.names[::-1]))


def test_what_the_data_lack_is_said_beforehand(judge: Any, data: EvalData) -> None:
    likeness, control = Likeness(judge, Paintings(4), 4), Control(("brightness",))
    every = (ZeroShot(), Fidelity(judge), likeness, Gallery(8, 16), control, Detail(8, 2, 4))
    lacking = [evaluator.explain_lack(empty(data)) for evaluator in every]
    assert lacking == [
        "The data have no held-out pictures of which it is known what they show.",
        *["There are no captions to paint."] * 4,
        "The data have no pictures of 16 px.",
    ]
    assert [evaluator.explain_lack(data) for evaluator in every[:5]] == [""] * 5
    assert "are other data" in Fidelity(judge).explain_lack(replace(data, drawn=False))
    assert "without properties" in Control(()).explain_lack(data)
    assert "not trained on larger pictures" in Detail(8, 1, 4).explain_lack(data)


def test_control_of_a_painter_that_follows_brightness_exactly(pipeline: Any, data: EvalData) -> None:
    # The painter ignores the other properties.
    painter = pipeline()
    metrics = Control(("brightness", "contrast"), prompts=3, values=5)(painter, data).metrics
    assert metrics["control_rho"] == metrics["control_rho_brightness"] == pytest.approx(1)
    assert metrics["control_within_5_percent_brightness"] == 1
    assert abs(metrics["control_rho_contrast"]) < 0.5
    turned = [call.properties["brightness"] for call in painter.calls if "brightness" in call.properties]
    assert len(turned) == 5
    assert turned == sorted(turned)
    assert turned[0] >= 0.1  # the property's own range bounds what the data show (0.04 to 0.35)


def test_cross_talk_is_a_slope_in_ranges(pipeline: Any, data: EvalData) -> None:
    result = Control(("brightness", "contrast"), prompts=2, values=7)(pipeline(), data)
    matrix = next(part for part in result.parts if isinstance(part, Figure) and part.title == "Cross-talk")
    cells = matrix.html.split("<td")[1:]
    values = [float(cell.split(">")[1].split("<")[0]) for cell in cells]
    assert values == pytest.approx([1, 0, 0, 0], abs=0.02)  # pictures are rounded to 256 levels


def test_spearman_against_scipy() -> None:
    generator = torch.Generator().manual_seed(0)
    first = torch.randint(5, (200,), generator=generator)  # many ties
    second = first + 3 * torch.randn(200, generator=generator)
    assert spearman(first, second) == pytest.approx(spearmanr(first, second).statistic, abs=1e-12)
    assert spearman(first, -(first**3)) == pytest.approx(-1)
    assert spearman([1.0, 1.0], [1.0, 2.0]) == 0


def test_share_error_is_wilson() -> None:
    # Newcombe 1998, table I: 81 of 263 has the 95 % interval 0.2553 to 0.3662.
    assert share_error(81 / 263, 263) == pytest.approx((0.3662 - 0.2553) / 2, abs=1e-4)
    assert share_error(1.0, 10) > 0  # ten right of ten is no certainty


def test_gallery_varies_its_prompts(pipeline: Any, data: EvalData) -> None:
    painter = pipeline()
    rows = [0, 0, 5, 5, 1, 2, 3, 4]  # captions come twice, and things too
    source = data.combinations
    captions, metas = [source.captions[i] for i in rows], [source.metas[i] for i in rows]
    repeated = replace(data, combinations=Split(source.images_B3HW[rows], captions, metas))
    result = Gallery(8, 16, pictures=5, prompts=2)(painter, repeated)
    assert len(set(painter.calls[0].prompts)) == 5
    assert [call.size for call in painter.calls[1:]] == [8, 16, 32]
    assert set(result.metrics) == {"paint_seconds_8px", "paint_seconds_16px", "paint_seconds_32px"}
    sizes = next(part for part in result.parts if part.title == "One model, several resolutions")
    assert "16 px<" in sizes.html and "32 px, larger than trained<" in sizes.html


def test_each_picture_of_a_call_has_a_seed_of_its_own(pipeline: Any, data: EvalData) -> None:
    painter = pipeline()
    Brush(seed=5).paint(painter, ["a fox", "a fox", "a fox"])
    assert list(painter.calls[0].seed) == [5, 6, 7]


def test_detail_compares_a_larger_picture_with_its_base_and_with_real_ones(data: EvalData, pipeline: Any) -> None:
    torch.manual_seed(0)
    real = replace(data.combinations, images_B3HW=torch.randint(0, 255, (len(data.combinations), 3, 16, 16)).byte())
    few = replace(data, combinations=Split(real.images_B3HW[:5], real.captions[:5], real.metas[:5]))
    known = replace(data, larger=lambda side, limit: few if side == 16 else None)
    painter = pipeline()
    result = Detail(8, 2, 4, pictures=5)(painter, known)
    assert [call.size for call in painter.calls] == [8, 16]
    assert result.metrics["base_difference"] == 0 and result.metrics["seam_index"] == 1, "it paints flat pictures"
    assert result.metrics["power_in_octave_1"] < 1e-9
    assert result.metrics["seam_index_real"] == pytest.approx(1, abs=0.2)

    def waves(request: PaintRequest) -> torch.Tensor:
        return real.images_B3HW[:5] if request.size == 16 else real.images_B3HW[:5, :, ::2, ::2]

    painter.paint_request = waves
    perfect = Detail(8, 2, 4, pictures=5)(painter, known)
    assert 0.5 < perfect.metrics["power_in_octave_1"] < 2 and perfect.metrics["base_difference"] > 10
    assert len(perfect.parts) == 2


def test_what_is_painted_at_several_sizes_costs_what_was_counted(pipeline: Any, data: EvalData) -> None:
    for gallery in (Gallery(8, 16), Gallery(8, 16, pictures=3, prompts=9, scales=(1, 2))):
        tally = Workload(0, lambda done, total: None)
        gallery(Painters(pipeline(), 8, None, tally), data)
        assert tally.painted == pytest.approx(gallery.count_paintings(data))
