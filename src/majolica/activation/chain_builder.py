"""Builds the chain of blocks that the planner works on, from traces of a step under each choice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor, nn

from majolica.activation.apply import apply_choices
from majolica.activation.chain import Chain, Link, Option
from majolica.activation.choices import Choice
from majolica.activation.tape import Phase, Span, Tape
from majolica.models.parts import BlockCall

OFFLOAD_PRICE = 10_000
"""FLOPs of a GPU while one byte moves to the host and back (125 TFLOP/s, 25 GB/s each way)."""


@dataclass(frozen=True)
class Step:
    """A training step that can be run repeatedly, on real or on fake tensors."""

    model: nn.Module
    calls: Sequence[BlockCall]
    """The calls of the model's blocks in the forward pass, in order."""
    forward: Callable[[], Tensor]
    """Runs the forward pass and returns the loss."""
    inputs: Iterable[Tensor]
    """Tensors that exist before the step, so they are not counted."""
    gradients_persist: bool
    """Whether gradients exist before the step, from earlier micro-steps or as buckets of DDP."""


def record(step: Step, choices: Sequence[Choice]) -> Tape:
    """Run the step under `choices`, forward and backward; clear gradients and return the tape."""
    model = step.model
    for value in model.parameters():
        value.grad = value.detach().clone() if step.gradients_persist and value.requires_grad else None
    grads = [value.grad for value in model.parameters() if value.grad is not None]
    tape = Tape([*model.parameters(), *model.buffers(), *step.inputs, *grads])
    undo = apply_choices(model, step.calls, choices, tape)
    try:
        with tape:
            loss = step.forward()
            tape.begin_backward()
            loss.backward()  # type: ignore[no-untyped-call]
    finally:
        undo()
        model.zero_grad(set_to_none=True)
    return tape


def persistent_gradient_bytes(step: Step) -> int:
    """Return the bytes of the gradients that exist during the whole step."""
    learned = [value for value in step.model.parameters() if value.requires_grad]
    return sum(value.nbytes for value in learned) if step.gradients_persist else 0


def trace_chain(step: Step, choices: Sequence[Choice]) -> Chain[Choice]:
    """Trace the step once per choice, which all blocks take. `choices` must include "keep"."""
    tapes = {choice: record(step, [choice] * len(step.calls)) for choice in choices}
    return build_chain([call.name for call in step.calls], tapes, persistent_gradient_bytes(step))


def build_chain(names: Sequence[str], tapes: Mapping[Choice, Tape], persistent_gradients: int) -> Chain[Choice]:
    """Build the chain of the blocks `names` from one tape per choice, which all blocks take.

    `persistent_gradients` are bytes. A block holds as much as live memory grew from its beginning
    to that of the next block, less what the code between the two left; that code does the same
    under every choice. The rest is what is live and not held. It should be the same on all tapes;
    if it is not, the largest value is taken.
    """
    held = {choice: _held_bytes(tapes, choice) for choice in tapes}
    held_before = {choice: [sum(sizes[:index]) for index in range(len(sizes) + 1)] for choice, sizes in held.items()}

    def rest(phase: Phase, span: int, blocks: int, peak: bool = False) -> int:
        """Return the live bytes at a span's entry or peak, less what the first blocks hold."""
        found = [(held_before[c][blocks], tape.spans.get((phase, span))) for c, tape in tapes.items()]
        values = [(s.peak if peak else s.entry) - held_bytes for held_bytes, s in found if s is not None]
        shared = [s.shared for _, s in found if s is not None]
        return persistent_gradients + max(values, default=0) + max(shared, default=0)

    links = []
    for index, name in enumerate(names):
        inside, after = 2 * index + 1, 2 * index + 2
        options = {c: _build_option(tapes, c, held[c][index], held["keep"][index], inside) for c in tapes}
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
    # Between the last block's forward and backward passes runs the code after it, forward and then
    # backward.
    last = 2 * len(names)
    if links:
        peak_between = max(links[-1].after_forward, rest("backward", last, len(names), peak=True))
        links[-1] = replace(links[-1], after_forward=peak_between)
    flops = sum(span.flops for span in tapes["keep"].spans.values())
    return Chain(tuple(links), rest("forward", 0, 0, peak=True), flops)


def _held_bytes(tapes: Mapping[Choice, Tape], choice: Choice) -> list[int]:
    def live_at_beginnings(tape: Tape) -> list[int]:
        count = len(tape.marks) // 2
        return [tape.spans["forward", 2 * index + 1].entry for index in range(count)] + [tape.live_between_passes]

    kept, live = live_at_beginnings(tapes["keep"]), live_at_beginnings(tapes[choice])
    held = []
    for index in range(len(kept) - 1):
        kept_after_block = tapes["keep"].spans["forward", 2 * index + 2].entry
        difference = (live[index + 1] - live[index]) - (kept[index + 1] - kept[index])
        held.append(kept_after_block - kept[index] + difference)
    return held


def _build_option(tapes: Mapping[Choice, Tape], choice: Choice, held: int, kept: int, span: int) -> Option:
    def passes(tape: Tape) -> tuple[Span, Span]:
        # A block before the first part that learns (`models.parts.freeze`) has no backward pass.
        return tape.spans["forward", span], tape.spans.get(("backward", span), Span(0, 0, 0))

    forward, backward = passes(tapes[choice])
    plain_forward, plain_backward = passes(tapes["keep"])
    flops = forward.flops + backward.flops - plain_forward.flops - plain_backward.flops
    if choice == "offload":
        flops = OFFLOAD_PRICE * max(0, kept - held)
    return Option(held, forward.peak - forward.entry, backward.peak - backward.entry, flops)
