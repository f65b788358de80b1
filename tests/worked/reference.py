"""Convolution and pooling as loops over Fractions: slow, plain, and written from the definitions alone."""

import itertools
import math
from fractions import Fraction

import numpy as np


def fractions(array):
    """The entries as Fractions, in an object array."""
    flat = [
        Fraction(str(v)) if isinstance(v, str) else Fraction(v) for v in np.asarray(array, dtype=object).flat
    ]
    out = np.empty(len(flat), dtype=object)
    out[:] = flat
    return out.reshape(np.shape(array))


def indices(shape):
    return itertools.product(*map(range, shape))


def border(place, length, mode):
    """Where the input is read for a place beyond its border; None for a filled cell."""
    if 0 <= place < length:
        return place
    if mode == "replicate":
        return min(max(place, 0), length - 1)
    if mode == "circular":
        return place % length
    if mode == "reflect":
        return -place if place < 0 else 2 * (length - 1) - place
    return None


def read(x, place, mode="zeros", fill=0):
    """The cell of `x` (an array of the spatial axes) at a place that may lie beyond the border."""
    inside = [border(p, n, mode) for p, n in zip(place, x.shape, strict=True)]
    return Fraction(fill) if None in inside else x[tuple(inside)]


def window_counts(spatial, kernel, stride, padding, dilation):
    return tuple(
        (n + sum(p) - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(spatial, kernel, stride, padding, dilation, strict=True)
    )


def convolve(x, weight, bias, stride, padding, dilation, groups, mode="zeros", fill=0, flip=False):
    """x (N, C, *spatial), weight (O, C/groups, *kernel)."""
    kernel = weight.shape[2:]
    counts = window_counts(x.shape[2:], kernel, stride, padding, dilation)
    per_group_in, per_group_out = x.shape[1] // groups, weight.shape[0] // groups
    out = np.empty((x.shape[0], weight.shape[0], *counts), dtype=object)
    for item, channel, *position in indices(out.shape):
        total = Fraction(0) if bias is None else Fraction(bias[channel])
        first = channel // per_group_out * per_group_in
        for inner, *tap in indices(weight.shape[1:]):
            used = [k - 1 - t for k, t in zip(kernel, tap, strict=True)] if flip else tap
            place = [
                p * s - pad[0] + t * d
                for p, s, pad, t, d in zip(position, stride, padding, tap, dilation, strict=True)
            ]
            total += weight[(channel, inner, *used)] * read(x[item, first + inner], place, mode, fill)
        out[(item, channel, *position)] = total
    return out


def stamp(x, weight, stride, padding, dilation, extra, groups):
    """Transposed convolution: x (N, C, *spatial), weight (C, O/groups, *kernel)."""
    sizes = tuple(
        (n - 1) * s + d * (k - 1) + 1 - sum(p) + e
        for n, s, d, k, p, e in zip(
            x.shape[2:], stride, dilation, weight.shape[2:], padding, extra, strict=True
        )
    )
    per_group_in, per_group_out = x.shape[1] // groups, weight.shape[1]
    out = fractions(np.zeros((x.shape[0], groups * per_group_out, *sizes), dtype=int))
    for item, channel, *position in indices(x.shape):
        for outer, *tap in indices(weight.shape[1:]):
            place = [
                p * s + t * d - pad[0]
                for p, s, t, d, pad in zip(position, stride, tap, dilation, padding, strict=True)
            ]
            if all(0 <= p < n for p, n in zip(place, sizes, strict=True)):
                target = (item, channel // per_group_in * per_group_out + outer, *place)
                out[target] += x[(item, channel, *position)] * weight[(channel, outer, *tap)]
    return out


def regions(spatial, kernel, stride, padding, dilation, position):
    """The places one window covers, the input's own ones only."""
    axes = [
        [p * s - pad[0] + t * d for t in range(k)]
        for p, s, pad, k, d in zip(position, stride, padding, kernel, dilation, strict=True)
    ]
    return [
        place
        for place in itertools.product(*axes)
        if all(0 <= p < n for p, n in zip(place, spatial, strict=True))
    ]


def root(value, degree):
    """A float root, for comparing with."""
    return math.pow(value, 1 / degree)
