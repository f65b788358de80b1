"""Problem sets: read, validated, solved through the public names, and shown as one document."""

from convscope.problems.loading import load_problems
from convscope.problems.problem import Problem, ProblemSet, SolvedProblem, SolvedSet

__all__ = ["Problem", "ProblemSet", "SolvedProblem", "SolvedSet", "load_problems"]
