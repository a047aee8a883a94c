"""Columns of log.jsonl that training writes and the report reads; losses go by the names of their objectives."""

from __future__ import annotations

GRADIENT_NORM = "gradient_norm"
"""Before clipping."""
LEARNING_RATE = "lr"
SAMPLES = "samples"
"""Rows seen by all processes so far."""
SAMPLES_PER_SECOND = "samples_per_s"
HELD_OUT = "heldout"
"""Before the slash of every loss of held-out pictures: `heldout/flow`."""
