"""From one step traced under every choice to the chain that the planner works on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor, nn

from majolica.activation.apply import apply
from majolica.activation.chain import Chain, Link, Option
from majolica.activation.choices import Choice
from majolica.activation.tape import Phase, Span, Tape
from majolica.models.parts import BlockCall

OFFLOAD_PRICE = 10_000
"""FLOPs a GPU could do while one byte goes to the host and comes back (125 TFLOP/s, 25 GB/s each way)."""


@dataclass(frozen=True)
class Step:
    """A training step that can be run again and again, on real or on fake tensors."""

    model: nn.Module
    calls: Sequence[BlockCall]
    """Of the model's blocks, in their order."""
    forward: Callable[[], Tensor]
    """To the loss."""
    inputs: Iterable[Tensor]
    standing: bool
    """Whether gradients were there before: in later micro-steps, or in the buckets of data parallelism."""


def record(step: Step, choices: Sequence[Choice]) -> Tape:
    """Run the step under `choices`, forward and backward."""
    model = step.model
    for value in model.parameters():
        value.grad = value.detach().clone() if step.standing else None
    grads = [value.grad for value in model.parameters() if value.grad is not None]
    tape = Tape([*model.parameters(), *model.buffers(), *step.inputs, *grads])
    undo = apply(model, step.calls, choices, tape)
    try:
        with tape:
            loss = step.forward()
            tape.turn()
            loss.backward()  # type: ignore[no-untyped-call]
    finally:
        undo()
        model.zero_grad(set_to_none=True)
    return tape


def standing_gradients(step: Step) -> int:
    """Bytes of gradients that are there all the time."""
    return sum(value.nbytes for value in step.model.parameters()) if step.standing else 0


def chain_of(step: Step, choices: Sequence[Choice]) -> Chain[Choice]:
    """Trace the step with all blocks under each of the `choices` in turn, "keep" among them."""
    tapes = {choice: record(step, [choice] * len(step.calls)) for choice in choices}
    return assemble([call.name for call in step.calls], tapes, standing_gradients(step))


def assemble(names: Sequence[str], tapes: Mapping[Choice, Tape], standing: int) -> Chain[Choice]:
    """The chain of blocks `names` from tapes on which all blocks were treated alike.

    What a block holds is by how much live memory grew from its beginning to that of the next block, less what the
    glue between them left, which is the same under every choice. What is live then and not held is `rest`; it should
    be the same on all tapes, and its largest value is taken.
    """
    held = {choice: _held(tapes, choice) for choice in tapes}
    before = {choice: [sum(own[:index]) for index in range(len(own) + 1)] for choice, own in held.items()}

    def rest(phase: Phase, span: int, blocks: int, peak: bool = False) -> int:
        """Live memory less what the first `blocks` blocks hold; at entry or peak, the most over the tapes."""
        found = [(before[c][blocks], tape.spans.get((phase, span))) for c, tape in tapes.items()]
        values = [(s.peak if peak else s.entry) - own for own, s in found if s is not None]
        shared = [s.shared for _, s in found if s is not None]
        return standing + max(values, default=0) + max(shared, default=0)

    links = []
    for index, name in enumerate(names):
        inside, after = 2 * index + 1, 2 * index + 2
        options = {c: _option(tapes, c, held[c][index], held["keep"][index], inside) for c in tapes}
        links.append(
            Link(
                name,
                options,
                rest_forward=rest("forward", inside, index),
                after_forward=rest("forward", after, index + 1, peak=True),
                rest_backward=rest("backward", inside, index + 1),
                after_backward=rest("backward", inside - 1, index, peak=True),
            )
        )
    # Where the last block's passes meet, the glue's backward pass is a part of what follows its forward pass.
    last = 2 * len(names)
    if links:
        turn = max(links[-1].after_forward, rest("backward", last, len(names), peak=True))
        links[-1] = replace(links[-1], after_forward=turn)
    flops = sum(span.flops for span in tapes["keep"].spans.values())
    return Chain(tuple(links), rest("forward", 0, 0, peak=True), flops)


def _held(tapes: Mapping[Choice, Tape], choice: Choice) -> list[int]:
    def begins(tape: Tape) -> list[int]:
        count = len(tape.marks) // 2
        return [tape.spans["forward", 2 * index + 1].entry for index in range(count)] + [tape.turned]

    kept, own = begins(tapes["keep"]), begins(tapes[choice])
    held = []
    for index in range(len(kept) - 1):
        leaves = tapes["keep"].spans["forward", 2 * index + 2].entry
        more = (own[index + 1] - own[index]) - (kept[index + 1] - kept[index])
        held.append(leaves - kept[index] + more)
    return held


def _option(tapes: Mapping[Choice, Tape], choice: Choice, held: int, kept: int, span: int) -> Option:
    def passes(tape: Tape) -> tuple[Span, Span]:
        return tape.spans["forward", span], tape.spans["backward", span]

    forward, backward = passes(tapes[choice])
    plain_forward, plain_backward = passes(tapes["keep"])
    flops = forward.flops + backward.flops - plain_forward.flops - plain_backward.flops
    if choice == "offload":
        flops = OFFLOAD_PRICE * max(0, kept - held)
    return Option(held, forward.peak - forward.entry, backward.peak - backward.entry, flops)
