"""The sigmoid loss, on one rank and split over several."""

import torch
from torch.nn import functional as F

from majolica.objectives.contrastive import Peers, pair_losses, same_caption, sigmoid_loss


def rows(count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    image = F.normalize(torch.randn(count, 8, generator=generator, dtype=torch.float64), dim=1)
    text = F.normalize(torch.randn(count, 8, generator=generator, dtype=torch.float64), dim=1)
    tokens = torch.randint(1, 9, (count, 5), generator=generator)
    tokens[3] = tokens[0]
    return image, text, tokens


def test_duplicate_captions_are_not_negatives() -> None:
    _, _, tokens = rows(4)
    match = same_caption(tokens, tokens)
    assert match[0, 3] and match[3, 0] and not match[0, 1]


def test_a_pair_is_judged_by_its_logit() -> None:
    image, text = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.6, 0.8]])
    scale, bias = torch.tensor(10.0), torch.tensor(-4.0)
    positive = pair_losses(image, text, torch.tensor([[True]]), scale, bias)
    negative = pair_losses(image, text, torch.tensor([[False]]), scale, bias)
    torch.testing.assert_close(positive[0, 0], -torch.log(torch.sigmoid(torch.tensor(2.0))))
    torch.testing.assert_close(negative[0, 0], -torch.log(torch.sigmoid(torch.tensor(-2.0))))


def test_ranks_average_to_the_full_loss_and_its_gradient() -> None:
    world, each = 4, 3
    image, text, tokens = rows(world * each)
    empty = Peers(image[:0], text[:0], tokens[:0])

    def leaves() -> list[torch.Tensor]:
        scale, bias = (torch.tensor(v, dtype=torch.float64) for v in (2.0, -3.0))
        return [x.clone().requires_grad_() for x in (image, text, scale, bias)]

    full = leaves()
    whole = sigmoid_loss(full[0], full[1], tokens, full[2], full[3], empty)
    whole.backward()  # type: ignore[no-untyped-call]
    split = leaves()
    total = torch.zeros((), dtype=torch.float64)
    for rank in range(world):
        mine = slice(rank * each, (rank + 1) * each)
        others = torch.ones(world * each, dtype=torch.bool)
        others[mine] = False
        peers = Peers(split[0][others].detach(), split[1][others].detach(), tokens[others])
        total = total + sigmoid_loss(split[0][mine], split[1][mine], tokens[mine], split[2], split[3], peers) / world
    total.backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(total, whole)
    for ours, theirs in zip(split, full, strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-6, rtol=1e-6)
