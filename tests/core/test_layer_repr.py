"""A layer's `repr` builds the layer again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import convscope as cs

NAMES = {name: getattr(cs, name) for name in cs.__all__ if name[0].isupper() or name in ("kernel", "matrix")}

LAYERS: list[tuple[cs.Layer, str]] = [
    (cs.Conv("1 2; 3 4", stride=2), "Conv(kernel([[1, 2], [3, 4]]), stride=2)"),
    (cs.Conv(kernel_size=(3,), out_channels=4), "Conv(kernel_size=(3,), out_channels=4)"),
    (cs.ConvTranspose(kernel_size=3, out_channels=1, stride=(2, 2)), ""),
    (cs.Conv(kernel_size=3, out_channels=1, padding=((1, 2), (0, 0))), ""),
    (cs.LpPool(2, 3), "LpPool(2, 3)"),
    (cs.LpPool(2, (3, 3), stride=2), "LpPool(2, (3, 3), stride=2)"),
    (cs.MaxPool((2, 2)), "MaxPool((2, 2))"),
    (cs.MaxPool(3, 2, ceil_mode=True), "MaxPool(3, stride=2, ceil_mode=True)"),
    (cs.Upsample(scale_factor=2), "Upsample(scale_factor=2)"),
    (cs.Upsample(scale_factor=("1.5", "1/3")), "Upsample(scale_factor=(1.5, '1/3'))"),
    (cs.Upsample(scale_factor=("2", "2")), "Upsample(scale_factor=(2, 2))"),
    (cs.Upsample(scale_factor=("2",)), "Upsample(scale_factor=(2,))"),
    (cs.Upsample((3,)), "Upsample(size=(3,))"),
    (cs.Upsample(scale_factor=2, mode="bilinear"), "Upsample(scale_factor=2, mode='bilinear')"),
    (cs.Pad(1), "Pad(1)"),
    (cs.Pad(((1, 1), (1, 1))), "Pad(((1, 1), (1, 1)))"),
    (cs.LeakyReLU("1/3"), "LeakyReLU(negative_slope='1/3')"),
    (cs.Linear(out_features=3, bias=False), ""),
]


@pytest.mark.parametrize(("layer", "written"), LAYERS)
def test_a_repr_builds_the_layer_again(layer: cs.Layer, written: str) -> None:
    assert eval(repr(layer), dict(NAMES)) == layer  # noqa: S307 - the text is the layer's own
    assert written in ("", repr(layer))


MISSPELT: dict[str, Any] = {"strid": 2}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: cs.Conv("1 2", **MISSPELT), "Conv: unknown option 'strid'; did you mean 'stride'?"),
        (lambda: cs.ReLU(**MISSPELT), "ReLU: unknown option 'strid'; it has no options"),
        (lambda: cs.MaxPool(2, **MISSPELT), "MaxPool: unknown option 'strid'; did you mean 'stride'?"),
    ],
)
def test_an_unknown_option_is_refused_with_the_nearest_known_one(
    make: Callable[[], cs.Layer], message: str
) -> None:
    with pytest.raises(cs.InputError) as refused:
        make()
    assert str(refused.value).startswith(message)
