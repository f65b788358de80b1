"""The kinds of problem, one file each; a new kind is a new file and one entry here."""

from __future__ import annotations

from convscope.problems.kinds import (
    apply,
    equivalent,
    feature_map,
    highlight,
    interpret,
    parameters,
    receptive_field,
    saturation,
    sizes,
)
from convscope.problems.task import Kind

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        feature_map.KIND,
        sizes.KIND,
        parameters.KIND,
        receptive_field.KIND,
        saturation.KIND,
        apply.KIND,
        equivalent.KIND,
        interpret.KIND,
        highlight.KIND,
    )
}
