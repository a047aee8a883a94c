"""The sigmoid loss: pair by pair, split over ranks, and split over the micro-steps of an optimiser step."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from majolica.objectives import contrastive
from majolica.objectives.contrastive import Pairs, caption_ids, pair_sum, sigmoid_loss

Leaves = tuple[Tensor, Tensor, Tensor, Tensor]


def rows(count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Unit embeddings in float64, and caption ids of which some are equal, also across any split."""
    generator = torch.Generator().manual_seed(0)
    image, text = (F.normalize(torch.randn(count, 8, generator=generator, dtype=torch.float64), dim=1) for _ in "it")
    captions = torch.arange(count)
    captions[count // 2 :: 3] = captions[0]
    return image, text, captions


def leaves(image: Tensor, text: Tensor) -> Leaves:
    scale, bias = (torch.tensor(value, dtype=torch.float64) for value in (2.0, -1.0))
    image, text, scale, bias = (x.clone().requires_grad_() for x in (image, text, scale, bias))
    return image, text, scale, bias


def plain(image: Tensor, text: Tensor, captions: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """The definition: the full pair matrix, divided by the rows."""
    logits = scale * image @ text.T + bias
    match = captions[:, None] == captions[None]
    return -F.logsigmoid(torch.where(match, logits, -logits)).sum() / len(image)


def gradients(loss: Tensor, at: Leaves) -> list[Tensor]:
    return list(torch.autograd.grad(loss, at))


def full(count: int) -> tuple[Tensor, list[Tensor]]:
    image, text, captions = rows(count)
    at = leaves(image, text)
    loss = plain(at[0], at[1], captions, at[2], at[3])
    return loss.detach(), gradients(loss, at)


def split(count: int, world: int, order: list[list[int]]) -> tuple[Tensor, list[Tensor]]:
    """Mean over ranks and micro-steps of what each computes; `order` lists the rows of each micro-step."""
    image, text, captions = rows(count)
    at = leaves(image, text)

    def take(which: list[int]) -> Pairs:
        return Pairs(at[0][which], at[1][which], captions[which])

    total = torch.zeros((), dtype=torch.float64)
    for m, micro in enumerate(order):
        earlier = take([row for before in order[:m] for row in before]).detach()
        for rank in range(world):
            mine = micro[rank::world]  # some ranks may have one more than others
            others = take([row for row in micro if row not in mine]).detach()
            total = total + sigmoid_loss(take(mine), at[2], at[3], others, earlier, len(micro) / world) / (
                world * len(order)
            )
    return total.detach(), gradients(total, at)


def largest_error(got: list[Tensor], wanted: list[Tensor]) -> float:
    return max(float((a - b).abs().max()) for a, b in zip(got, wanted, strict=True))


def test_equal_captions_have_equal_ids_and_others_do_not() -> None:
    generator = torch.Generator().manual_seed(0)
    # Many of these differ in one piece, or in the order of pieces.
    few = torch.randint(1, 4, (20_000, 8), generator=generator)
    whole = torch.randint(0, 32_000, (20_000, 64), generator=generator)
    for tokens in (few, whole, torch.cat((few, 0 * few), 1)):
        ids = caption_ids(tokens)
        _, group = tokens.unique(dim=0, return_inverse=True)
        pairs = torch.stack((ids, group), 1).unique(dim=0)
        assert len(pairs) == len(ids.unique()) == len(group.unique())


@pytest.mark.parametrize("chunk", [1, 5, 1024])
def test_chunks_make_no_difference(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contrastive, "CHUNK", chunk)
    image, text, captions = rows(12)
    at = leaves(image, text)
    here = Pairs(at[0], at[1], captions)
    loss = pair_sum(here, here, at[2], at[3]) / 12
    value, wanted = full(12)
    torch.testing.assert_close(loss.detach(), value)
    assert largest_error(gradients(loss, at), wanted) < 1e-12


def test_the_written_gradient_is_that_of_the_value() -> None:
    image, text, captions = rows(6)
    others = Pairs(image[:0], text[:0], captions[:0])

    def value(image: Tensor, text: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
        return sigmoid_loss(Pairs(image, text, captions), scale, bias, others, others, 6)

    assert torch.autograd.gradcheck(value, leaves(image, text))


@pytest.mark.parametrize("world", [1, 2, 4, 5])
def test_ranks_average_to_the_full_loss_and_its_gradient(world: int) -> None:
    value, wanted = full(12)
    got, found = split(12, world, [list(range(12))])
    torch.testing.assert_close(got, value)
    assert largest_error(found, wanted) < 1e-12


@pytest.mark.parametrize("world", [1, 2, 4])
def test_the_windowed_gradient_averages_to_the_full_one_over_all_orders(world: int) -> None:
    micro_steps = [list(range(4 * m, 4 * m + 4)) for m in range(4)]
    value, wanted = full(16)
    orders = list(itertools.permutations(micro_steps))
    found = [split(16, world, list(order)) for order in orders]
    for got, _ in found:
        torch.testing.assert_close(got, value)  # the value is exact in every order
    mean = [torch.stack(parts).mean(0) for parts in zip(*(g for _, g in found), strict=True)]
    assert largest_error(mean, wanted) < 1e-9
    single = max(largest_error(g, wanted) for _, g in found)
    assert single > 1e-3  # a single order is an estimate: were it exact, this test would prove nothing
    for _, g in found:  # scale and bias are exact in every order
        assert largest_error(g[2:], wanted[2:]) < 1e-12


def test_memory_grows_with_the_window_and_not_with_its_square(monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest tensor of forward and backward has a chunk of columns, however many rows the window holds."""
    monkeypatch.setattr(contrastive, "CHUNK", 64)
    sizes: list[int] = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            out = func(*args, **(kwargs or {}))
            sizes.extend(t.numel() for t in (out if isinstance(out, tuple | list) else [out]) if isinstance(t, Tensor))
            return out

    generator = torch.Generator().manual_seed(0)
    for window in (512, 2048):
        sizes.clear()
        image, text = (torch.randn(window, 8, generator=generator).requires_grad_() for _ in "it")
        far = Pairs(torch.randn(window, 8), torch.randn(window, 8), torch.arange(window) + 9000)
        here = Pairs(image, text, torch.arange(window))
        with Watch():
            sigmoid_loss(here, torch.tensor(2.0), torch.tensor(-1.0), here.empty(), far, window).backward()  # type: ignore[no-untyped-call]
        assert max(sizes) == 64 * window  # linear: the pair matrix would be window x window
