"""The activation-checkpoint planner: which block keeps what, so that a step fits (docs/adr/040)."""

from majolica.activation.plan import ActivationPlan, plan_for

__all__ = ["ActivationPlan", "plan_for"]
