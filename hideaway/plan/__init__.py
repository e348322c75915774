"""From what is there to what is wanted, as ordered steps. Pure: knows no machine, no kernel and no clock."""

from hideaway.plan.planner import plan
from hideaway.plan.steps import Step, suspects

__all__ = ["Step", "plan", "suspects"]
