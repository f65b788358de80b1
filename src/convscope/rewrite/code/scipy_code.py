"""The same layers with SciPy: `signal.correlate` and `signal.convolve`, the two conventions by name."""

from __future__ import annotations

from collections.abc import Mapping

from convscope.core import pointwise as p
from convscope.core.convolution import Conv
from convscope.core.layer import Layer
from convscope.rewrite.code import numpy_code
from convscope.rewrite.code.dialect import Dialect, Writer
from convscope.rewrite.code.draft import Draft, dilated, weights_of
from convscope.rewrite.code.numpy_code import ARRAY, add_bias, axes_of, begin, finish, pad


def _conv(layer: Conv, draft: Draft) -> None:
    pad(draft, draft.pads(layer), layer.padding_mode, layer.padding_value)
    weight = dilated(weights_of(layer), layer.dilation)
    function = "signal.convolve" if layer.flip else "signal.correlate"
    draft.needs("from scipy import signal")
    draft.remark(
        "convolve rotates the kernel by 180°: true convolution"
        if layer.flip
        else "correlate slides the kernel as it is: cross-correlation"
    )
    name = draft.array("kernel", weight[0, 0] if draft.is_plane else weight, ARRAY)
    taken = "" if set(layer.stride) == {1} else f"[{', '.join(f'::{s}' for s in layer.stride)}]"
    one = f'{function}({{}}, {{kernel}}, mode="valid", method="direct"){taken}'
    each_map(layer, draft, name, one)
    add_bias(draft, layer.bias)


def each_map(layer: Conv, draft: Draft, name: str, one: str) -> None:
    """The feature maps of a convolution from a line that makes one plane from one plane and kernel."""
    if draft.is_plane:
        draft.step(one.replace("{kernel}", name))
        return
    if draft.has_batch:
        raise draft.refuse(layer, "it takes one item at a time; give input_shape without the batch axis")
    per_group = weights_of(layer).shape[1]
    plane = one.replace("{}", "plane").replace("{kernel}", "kernel")
    planes = "{}"
    kernels = name
    if layer.groups != 1:
        outputs = layer.out_channels // layer.groups
        draft.line(
            f"planes = [{{}}[i // {outputs} * {per_group} :][:{per_group}] for i in range(len({name}))]"
        )
        sums = f"sum({plane} for plane, kernel in zip(seen, kernels))"
        draft.step(f"np.stack([{sums} for seen, kernels in zip(planes, {kernels})])")
        return
    sums = f"sum({plane} for plane, kernel in zip({planes}, kernels))"
    draft.step(f"np.stack([{sums} for kernels in {kernels}])")


def _special(template: str) -> Writer:
    def write(_: Layer, draft: Draft) -> None:
        draft.needs("from scipy import special")
        draft.step(template)

    return write


LAYERS: Mapping[type[Layer], Writer] = {
    **numpy_code.LAYERS,
    Conv: _conv,
    p.Sigmoid: _special("special.expit({})"),
    p.LogSigmoid: _special("special.log_expit({})"),
    p.SiLU: _special("{} * special.expit({})"),
}

DIALECT = Dialect(
    title="SciPy",
    imports=("import numpy as np",),
    layers=LAYERS,
    axes=axes_of,
    begin=begin,
    finish=finish,
)
