"""Trained and training networks: what their activations and gradients do, and one verdict a layer.

This room has the name of its function, and Python puts whichever was imported last in the package; so the
room can be called as well, and ``convscope.probe(model, batches)`` means the same in either case.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convscope.probe.report import ProbeReport


class _CallableRoom(ModuleType):
    """A module that is called as the function of its name."""

    def __call__(self, *args: Any, **kwargs: Any) -> ProbeReport:  # noqa: ANN401 - handed on as they are
        from convscope.probe.network import probe

        return probe(*args, **kwargs)


sys.modules[__name__].__class__ = _CallableRoom
