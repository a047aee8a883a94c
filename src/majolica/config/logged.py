"""Names of the columns of log.jsonl, which training writes and the report reads.

A loss has the name of its objective.
"""

from __future__ import annotations

GRADIENT_NORM = "gradient_norm"
"""The norm of the gradients before they are clipped."""
LEARNING_RATE = "lr"
SAMPLES = "samples"
"""Rows that all processes together have trained on so far."""
SAMPLES_PER_SECOND = "samples_per_s"
HELD_OUT = "heldout"
"""Before the slash of every loss of held-out pictures: `heldout/flow`."""
