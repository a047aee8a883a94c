"""The activation-checkpointing planner, which fits a step into a given memory (docs/adr/040)."""
