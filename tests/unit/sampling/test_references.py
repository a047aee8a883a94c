"""Reference pictures of a pipeline: one for all prompts or one for each, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from majolica.errors import Notice, UserError
from majolica.models.reference import ReferenceAdapter
from majolica.sampling.pipeline import Pipeline
from majolica.sampling.references import list_pictures
from majolica.sampling.request import PaintRequest
from tiny import TINY, awake

PICTURES = torch.randint(0, 256, (3, 3, 20, 20), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
PROMPTS = ["a fox", "an owl", "a cat"]


@pytest.fixture
def taught(pipeline: Pipeline) -> Pipeline:
    torch.manual_seed(5)
    own = awake(ReferenceAdapter(TINY))
    assert isinstance(own, ReferenceAdapter)
    pipeline.model.reference_adapters = [own.eval().requires_grad_(False)]
    return pipeline


def test_without_a_reference_pictures_are_what_they_were(pipeline: Pipeline) -> None:
    before = pipeline.paint(PROMPTS, steps=2, seed=[1, 2, 3])
    torch.manual_seed(5)
    pipeline.model.reference_adapters = [awake(ReferenceAdapter(TINY))]  # type: ignore[list-item]
    assert torch.equal(before, pipeline.paint(PROMPTS, steps=2, seed=[1, 2, 3]))
    assert not torch.equal(before, pipeline.paint(PROMPTS, steps=2, seed=[1, 2, 3], reference=PICTURES[0]))


def test_each_picture_follows_its_own_reference_alone(taught: Pipeline) -> None:
    together = taught.paint(PROMPTS, steps=2, seed=[1, 2, 3], reference=PICTURES)
    for place, prompt in enumerate(PROMPTS):
        alone = taught.paint(prompt, steps=2, seed=place + 1, reference=PICTURES[place])
        assert torch.equal(together[place : place + 1], alone)
    assert not torch.equal(together, taught.paint(PROMPTS, steps=2, seed=[1, 2, 3], reference=PICTURES.flip(0)))


def test_one_reference_is_for_all(taught: Pipeline) -> None:
    one = taught.paint(PROMPTS, steps=2, reference=PICTURES[1])
    assert torch.equal(one, taught.paint(PROMPTS, steps=2, reference=[PICTURES[1]] * 3))
    assert torch.equal(one, taught.paint(PROMPTS, steps=2, reference=[PICTURES[1]]))


def test_a_batch_in_a_list_is_as_many_references_as_it_has_rows(taught: Pipeline) -> None:
    with pytest.raises(UserError, match="there are 2 references for 1 picture: give one for all, or one for each"):
        taught.paint("a fox", steps=1, reference=[PICTURES[:2]])
    batch = PaintRequest(PROMPTS, steps=2, seed=[1, 2, 3], reference=[PICTURES])
    assert torch.equal(taught.paint_request(batch), taught.paint(PROMPTS, steps=2, seed=[1, 2, 3], reference=PICTURES))


def test_a_reference_comes_in_any_form(taught: Pipeline, tmp_path: Path) -> None:
    pixels = PICTURES[0].permute(1, 2, 0).numpy()
    path = tmp_path / "it.png"
    Image.fromarray(pixels).save(path)
    forms = [path, str(path), Image.fromarray(pixels), [path]]
    painted = [taught.paint("a fox", steps=2, reference=form) for form in forms]
    assert all(torch.equal(painted[0], other) for other in painted[1:])
    taught.paint("a fox", steps=1, reference=np.asarray(pixels, dtype=np.float32) / 255)


def test_how_strongly_it_is_followed(taught: Pipeline) -> None:
    usual = taught.paint("a fox", steps=2, reference=PICTURES[0])
    assert torch.equal(usual, taught.paint("a fox", steps=2, reference=PICTURES[0], reference_guidance=2.0))
    assert not torch.equal(usual, taught.paint("a fox", steps=2, reference=PICTURES[0], reference_guidance=4.0))
    off = taught.paint("a fox", steps=2, guidance=1.0, reference=PICTURES[0])
    assert torch.equal(off, taught.paint("a fox", steps=2, guidance=1.0, reference=PICTURES[0], reference_guidance=1.0))


def test_other_references_make_no_repeats(taught: Pipeline, recwarn: pytest.WarningsRecorder) -> None:
    taught.paint(["a fox", "a fox"], steps=1, reference=PICTURES[:2])
    assert not [each for each in recwarn if "are one picture" in str(each.message)]
    with pytest.warns(Notice, match="are one picture"):
        taught.paint(["a fox", "a fox"], steps=1, reference=PICTURES[0])


def test_a_part_of_a_request_has_its_references(taught: Pipeline) -> None:
    whole = PaintRequest(PROMPTS, steps=2, seed=[3, 1, 2], reference=PICTURES)
    parts = [whole.part(slice(0, 2)), whole.part(slice(2, 3))]
    painted = torch.cat(
        [taught.paint(part.prompts, steps=2, seed=part.seed, reference=part.reference) for part in parts]
    )
    assert torch.equal(painted, taught.paint_request(whole))
    assert PaintRequest(PROMPTS, reference="it.png").part(slice(1, 2)).reference == ["it.png"]


def test_the_reference_is_followed_while_other_properties_are_held(taught: Pipeline) -> None:
    held = taught.paint("a fox", steps=2, properties={"brightness": 0.6}, hold=True, reference=PICTURES[0])
    assert not torch.equal(held, taught.paint("a fox", steps=2, properties={"brightness": 0.6}, hold=True))


def test_a_run_that_was_not_taught_says_how(pipeline: Pipeline) -> None:
    with pytest.raises(UserError, match=r"has not learned to follow a reference.*`majolica extend RUN --reference`"):
        pipeline.paint("a fox", reference=PICTURES[0])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (PICTURES[:2], "there are 2 references for 3 pictures: give one for all, or one for each"),
        ([], "there are 0 references for 3 pictures"),
        ("nowhere.png", "cannot read the picture nowhere.png: No such file"),
        (7, "the reference is of type int: give a path"),
        (b"x", "the reference is of type bytes"),
        ([PICTURES[:2]], "there are 2 references for 3 pictures"),
        ([7, 7, 7], "an object of type int is not a picture"),
    ],
)
def test_what_is_no_reference_is_one_line(taught: Pipeline, given: object, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        taught.paint(PROMPTS, steps=1, reference=given)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_the_number_is_checked_before_a_request_is_divided() -> None:
    with pytest.raises(UserError, match="2 references for 3 pictures"):
        PaintRequest(PROMPTS, reference=["a.png", "b.png"]).part(slice(0, 1))
    assert len(list_pictures(PICTURES[0], 3)) == 1 and len(list_pictures(PICTURES, 3)) == 3
