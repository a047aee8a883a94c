"""The activation-checkpointing planner: it decides what each block keeps, so that a step fits into a
given memory (docs/adr/040).
"""

from majolica.activation.plan import ActivationPlan, plan_for

__all__ = ["ActivationPlan", "plan_for"]
