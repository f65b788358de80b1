"""The same layers with OpenCV: `filter2D` (cross-correlation), `boxFilter`, `dilate`; pictures ``(H, W)``.

What OpenCV has no call for (activations, dilated pools) is written in NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from convscope.core.convolution import Conv
from convscope.core.layer import Layer, Pair
from convscope.core.pooling import AvgPool, MaxPool
from convscope.core.structural import Pad
from convscope.core.windowed import window_extent
from convscope.rewrite.code import numpy_code
from convscope.rewrite.code.dialect import Dialect, Writer
from convscope.rewrite.code.draft import Draft, dilated, number, weights_of
from convscope.rewrite.code.numpy_code import add_bias, axes_of, begin, finish
from convscope.rewrite.code.scipy_code import each_map

BORDERS = {
    "zeros": "cv2.BORDER_CONSTANT",
    "constant": "cv2.BORDER_CONSTANT",
    "reflect": "cv2.BORDER_REFLECT_101",
    "replicate": "cv2.BORDER_REPLICATE",
    "circular": "cv2.BORDER_WRAP",
}
# filter2D has these borders of its own; a border that wraps round it has not.
OWN_BORDERS = {"zeros", "reflect", "replicate"}


def _bordered(
    draft: Draft, pairs: Sequence[Pair], mode: str = "zeros", value: Fraction | str = Fraction(0)
) -> None:
    """A line that pads by `copyMakeBorder`: top, bottom, left, right."""
    if not any(any(pair) for pair in pairs):
        return
    (top, bottom), (left, right) = pairs
    filled = value if isinstance(value, str) else number(value)
    more = f", value={filled}" if mode in {"zeros", "constant"} and filled != "0" else ""
    call = f"cv2.copyMakeBorder({{}}, {top}, {bottom}, {left}, {right}, {BORDERS[mode]}{more})"
    draft.step(_each_plane(draft, call))


def _each_plane(draft: Draft, call: str) -> str:
    """A call on a picture, plane by plane where there are channels."""
    if draft.is_plane:
        return call
    return f"np.stack([{call.replace('{}', 'plane')} for plane in {{}}])"


def _kept(layer: Conv | MaxPool | AvgPool) -> str:
    """The windows that lie inside the picture, one in every stride, when the anchor is the top left tap."""
    extents = [window_extent(k, d) for k, d in zip(layer.kernel_size, layer.dilation, strict=True)]
    cuts = [
        f"{'' if e == 1 else f': {1 - e}'}{'' if s == 1 else f':{s}' if e != 1 else f'::{s}'}" or ":"
        for e, s in zip(extents, layer.stride, strict=True)
    ]
    return "" if set(cuts) == {":"} else f"[{', '.join(cut.replace(': -', ':-') for cut in cuts)}]"


def _conv(layer: Conv, draft: Draft) -> None:
    if draft.rank != 2:
        raise draft.refuse(layer, f"filter2D is for pictures; this layer is of rank {draft.rank}")
    weight = dilated(weights_of(layer), layer.dilation)
    size = weight.shape[2:]
    pairs = draft.pads(layer)
    centred = all(k % 2 and pair == (k // 2, k // 2) for k, pair in zip(size, pairs, strict=True))
    natural = centred and layer.padding_mode in OWN_BORDERS
    if not natural:
        _bordered(draft, pairs, layer.padding_mode, layer.padding_value)
    name = draft.array("kernel", weight[0, 0] if draft.is_plane else weight, "np.array({}, dtype=float)")
    if layer.flip:
        draft.remark("filter2D does not flip: the kernel is rotated by 180° first for true convolution")
    else:
        draft.remark("filter2D does not flip the kernel: cross-correlation")
    turned = "cv2.flip({kernel}, -1)" if layer.flip else "{kernel}"
    if natural:
        taken = "" if set(layer.stride) == {1} else f"[{', '.join(f'::{s}' for s in layer.stride)}]"
        border = f"borderType={BORDERS[layer.padding_mode]}"
        one = f"cv2.filter2D({{}}, cv2.CV_64F, {turned}, {border}){taken}"
    else:
        draft.remark("anchor (0, 0): a result stands where its window begins; only whole windows are kept")
        one = f"cv2.filter2D({{}}, cv2.CV_64F, {turned}, anchor=(0, 0)){_kept(layer)}"
    each_map(layer, draft, name, one)
    add_bias(draft, layer.bias)


def _max_pool(layer: MaxPool, draft: Draft) -> None:
    if draft.rank != 2 or set(layer.dilation) != {1}:
        numpy_code.LAYERS[MaxPool](layer, draft)
        return
    pairs = [(b, a + more) for (b, a), more in zip(draft.pads(layer), draft.overhang(layer), strict=True)]
    _bordered(draft, pairs, "constant", "-np.inf")
    draft.remark("dilate takes the largest value under a window")
    window = f"np.ones({layer.kernel_size}, np.uint8)"
    draft.step(_each_plane(draft, f"cv2.dilate({{}}, {window}, anchor=(0, 0)){_kept(layer)}"))


def _avg_pool(layer: AvgPool, draft: Draft) -> None:
    pairs, reach = draft.pads(layer), draft.overhang(layer)
    excluded = not layer.count_include_pad and any(any(pair) for pair in pairs)
    if (
        draft.rank != 2
        or set(layer.dilation) != {1}
        or any(reach)
        or (excluded and not layer.divisor_override)
    ):
        numpy_code.LAYERS[AvgPool](layer, draft)
        return
    _bordered(draft, pairs)
    height, width = layer.kernel_size
    draft.remark("boxFilter takes its window as (width, height)")
    mean = "" if layer.divisor_override is None else ", normalize=False"
    divisor = "" if layer.divisor_override is None else f" / {layer.divisor_override}"
    call = f"cv2.boxFilter({{}}, cv2.CV_64F, ({width}, {height}), anchor=(0, 0){mean}){_kept(layer)}{divisor}"
    draft.step(_each_plane(draft, call))


def _pad_layer(layer: Pad, draft: Draft) -> None:
    if draft.rank != 2 or draft.has_batch:
        numpy_code.LAYERS[Pad](layer, draft)
        return
    _bordered(draft, layer.padding, layer.padding_mode, layer.padding_value)


LAYERS: Mapping[type[Layer], Writer] = {
    **numpy_code.LAYERS,
    Conv: _conv,
    MaxPool: _max_pool,
    AvgPool: _avg_pool,
    Pad: _pad_layer,
}

DIALECT = Dialect(
    title="OpenCV",
    imports=("import cv2", "import numpy as np"),
    layers=LAYERS,
    axes=axes_of,
    begin=begin,
    finish=finish,
)
