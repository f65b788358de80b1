"""Lint: what a network's sizes, fields and weights say against it; one table from kind to check."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from convscope.errors import InputError
from convscope.rules.lint import fields, weights, windows
from convscope.rules.lint.finding import LintFinding, LintReport
from convscope.rules.lint.view import View

if TYPE_CHECKING:
    from convscope.rules.network import Network

__all__ = ["CHECKS", "Check", "LintFinding", "LintReport", "lint"]


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what it finds, in a few words, and the function that finds it."""

    title: str
    run: Callable[[View], Iterator[LintFinding]]


CHECKS: dict[str, Check] = {
    "dropped": Check("cells dropped at the end of an axis", windows.dropped),
    "stride_gap": Check("stride larger than the kernel", windows.stride_gaps),
    "even_kernel": Check("even kernel, shifted to one side", windows.even_kernels),
    "padding": Check("padding no smaller than the kernel", windows.too_much_padding),
    "checkerboard": Check("risk of a checkerboard", windows.checkerboards),
    "beyond_input": Check("receptive field larger than the picture", fields.beyond_input),
    "too_small": Check("receptive field smaller than the object", fields.too_small),
    "gridding": Check("gridding by repeated dilation", fields.gridding),
    "misaligned": Check("branches out of line", fields.misaligned),
    "bias_before_norm": Check("bias before a normalisation", weights.bias_before_norm),
    "no_activation": Check("no activation between linear layers", weights.missing_activations),
    "saturating": Check("saturating activations in a deep chain", weights.saturating),
    "parameters_in_one": Check("one layer holds most parameters", weights.parameters_in_one),
}


def lint(network: Network, object_size: int | Sequence[int] | None = None) -> LintReport:
    """Every finding of every check, in the order of the network's layers.

    Args:
        network: to be checked.
        object_size: pixels, one number or one an axis, of the objects that the network is meant to see;
            without it nothing is said about fields that are too small.

    Raises:
        InputError: an object size that is no size.
    """
    view = View(network, _object_size(object_size))
    found = [finding for check in CHECKS.values() for finding in check.run(view)]
    order = {row.name: position for position, row in enumerate(network.rows)}
    found.sort(key=lambda finding: order[finding.layer])  # of one layer, in the order of the table
    titles = {kind: check.title for kind, check in CHECKS.items()}
    return LintReport(tuple(found), network.graph.name, titles)


def _object_size(size: int | Sequence[int] | None) -> tuple[int, ...]:
    if size is None:
        return ()
    entries: Sequence[object] = tuple(size) if isinstance(size, list | tuple) else (size,)
    if not 1 <= len(entries) <= 3 or any(
        isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in entries
    ):
        raise InputError(f"object_size={size!r} is not a size in pixels, or one for each of 1 to 3 axes")
    return tuple(int(n) for n in entries)  # type: ignore[call-overload]
