"""The activation-checkpointing planner, which fits a step into a given memory (docs/adr/040)."""

from majolica.activation.plan import ActivationPlan, plan_for

__all__ = ["ActivationPlan", "plan_for"]
