"""A drawing as a small tree of shapes: what is where, and what it stands for; nothing is written yet."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from convscope.errors import InputError

# What a shape stands for; the renderer gives each its colours.
Role: TypeAlias = Literal[
    "front", "side", "top", "window", "link", "guide", "bar", "limit", "grid", "axis", "level",
    "series1", "series2", "series3", "series4", "series5", "series6",
    "mark1", "mark2", "mark3", "mark4", "mark5", "mark6",
]  # fmt: skip
Anchor: TypeAlias = Literal["start", "middle", "end"]
Point: TypeAlias = tuple[float, float]

LARGEST = 10**6


@dataclass(frozen=True, slots=True)
class Polygon:
    """A filled face with an outline."""

    points: tuple[Point, ...]
    role: Role


@dataclass(frozen=True, slots=True)
class Stroke:
    """A line through points, rounded at its bends where it is `smooth`, with an arrow's head at its end."""

    points: tuple[Point, ...]
    role: Role
    arrow: bool = False
    smooth: bool = False


@dataclass(frozen=True, slots=True)
class Label:
    """Words at a place; `size` is the height of the letters."""

    at: Point
    content: str
    anchor: Anchor = "middle"
    size: float = 11
    is_strong: bool = False
    is_quiet: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """Shapes that belong together, and what they are in words."""

    title: str
    shapes: tuple[Shape, ...]


Shape: TypeAlias = Polygon | Stroke | Label | Part


@dataclass(frozen=True)
class Drawing:
    """A drawing of a width and height in points; y points down.

    Args:
        title: what it shows, in a few words.
        description: the same for those who cannot see it: what stands where.

    Raises:
        InputError: a size that is no size.
    """

    width: float
    height: float
    shapes: tuple[Shape, ...]
    title: str
    description: str = ""

    def __post_init__(self) -> None:
        if not all(math.isfinite(n) and 0 < n <= LARGEST for n in (self.width, self.height)):
            raise InputError(f"a drawing of {self.width} by {self.height} points cannot be made")
