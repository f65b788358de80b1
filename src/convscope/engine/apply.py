"""`apply` and `plan`: what is asked for is normalised here, once, and handed to the cheapest method."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from convscope.core.array import ExactArray
from convscope.core.kernel import Kernel
from convscope.engine.calls import keep_call, known_call
from convscope.engine.cost import known_machine
from convscope.engine.execution import (
    NATIVE,
    Picture,
    computed_type,
    empty,
    prepared_plan,
    run_plan,
    signatures,
    written_at_once,
)
from convscope.engine.kernels import Kernels, kernel_key, read_kernels
from convscope.engine.plan import Plan, plan_of
from convscope.engine.request import Request, request_of, source_name
from convscope.engine.running import thread_count
from convscope.engine.signatures import is_ready
from convscope.errors import InputError, ShapeError, nearest_name


def apply(
    image: npt.ArrayLike, kernel: Kernels, *, border: str = "zero", value: float = 0,
    stride: int | tuple[int, int] = 1, dilation: int | tuple[int, int] = 1, flip: bool = False,
    dtype: npt.DTypeLike | None = None, out: Picture | None = None, threads: int | None = None,
    anchor: tuple[int, int] | None = None,
) -> Picture:  # fmt: skip
    """Slide a kernel over a picture: cross-correlation unless `flip`, by whichever method is fastest.

    Args:
        image: ``(H, W)``, ``(H, W, C)``, or batches of the latter with more axes in front; uint8,
            uint16, int16, int32, float32 or float64 (bool, int8, uint32 and float16 are widened); any
            strides. A `dask.array` gives a lazy `dask.array` (extra ``scale``).
        kernel: anything `kernel` reads, or several kernels of one shape: an ``(n, kh, kw)`` array or
            a list of kernels. Each channel is filtered by itself.
        border: what lies outside the picture, named as `numpy.pad` names it: ``"zero"``,
            ``"constant"`` (`value`), ``"reflect"`` (border cell not repeated), ``"symmetric"`` (border
            cell repeated), ``"replicate"`` or ``"edge"``, ``"wrap"``; ``"valid"`` keeps only windows
            that lie inside, and then the result is smaller.
        value: the number a constant border holds.
        stride: step of the window: one number, or (vertical, horizontal).
        dilation: distance between neighbouring taps, likewise.
        flip: rotate the kernel by 180° first: true convolution. Its anchor turns with it.
        dtype: of the result: float32 unless the picture is float64. Integer types are rounded half
            to even and clipped to their range; NaN becomes 0.
        out: where to write the result; its dtype is the result's. It may be the picture itself.
        threads: how many may work; all of the machine's when None. No result depends on it.
        anchor: the tap, counted from 0, that lies over the output cell; ``(kh // 2, kw // 2)`` when
            None, as OpenCV and SciPy have it.

    Returns:
        ``(H', W')`` or ``(…, H', W', C)``, where H' = ⌈H / stride⌉ with a border; several kernels give
        ``(n, …)``. Integer pictures and weights give exact sums wherever the working type holds them
        (`plan` says which); other results lie within the bound `plan` states. A NaN or an infinity
        reaches exactly the windows that contain it; a window has no cell under a zero tap.

    Raises:
        InputError: options that are not allowed; `out` of another shape or dtype.
        ShapeError: a kernel larger than the picture under ``border="valid"``.
        UnsupportedError: a dtype that is not one of those above.

    >>> apply(np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]], np.uint8), "1 2 3; 4 5 6; 7 8 9").tolist()
    [[9.0, 8.0, 7.0], [6.0, 5.0, 4.0], [3.0, 2.0, 1.0]]
    """
    key: object = None
    named = kernel_key(kernel, flip=flip)
    if named is not None and type(image) is np.ndarray and (out is None or type(out) is np.ndarray):
        key = (
            named, image.shape, image.strides, image.dtype, border, value, stride,
            dilation, anchor, dtype, threads, out if out is None else (out.shape, out.strides, out.dtype),
            stride.__class__, dilation.__class__, value.__class__, threads.__class__, flip.__class__,
        )  # fmt: skip
        try:
            call = known_call(key)
        except TypeError:  # a stride given as a list, say
            call = key = None
        if call is not None and (found := call.run(image, out)) is not None:
            return found
    options = {"border": border, "value": value, "stride": stride, "dilation": dilation, "anchor": anchor}
    if isinstance(image, np.ndarray) or not is_lazy(image):
        return _at_once(image, kernel, flip, dtype, out, threads, options, key)
    return _lazily(image, kernel, flip, dtype, out, threads, options)


def _lazily(
    image: npt.ArrayLike, kernel: Kernels, flip: bool, dtype: npt.DTypeLike | None, out: Picture | None,  # noqa: FBT001
    threads: int | None, options: dict[str, Any],
) -> Picture:  # fmt: skip
    """`apply` on a dask array."""
    from convscope.engine.scale import apply_lazily

    lazy: Any = apply_lazily(
        cast("Any", image), kernel, flip=flip, dtype=dtype, out=out, threads=threads, **options
    )
    return cast("Picture", lazy)


def _at_once(
    image: npt.ArrayLike, kernel: Kernels, flip: bool, dtype: npt.DTypeLike | None, out: Picture | None,  # noqa: FBT001
    threads: int | None, options: dict[str, Any], call: object,
) -> Picture:  # fmt: skip
    """`apply` in memory; a call like an earlier one finds its plan again, and `call` is kept for the next."""
    picture = _picture(image)
    analyses, several = read_kernels(kernel, flip=flip)
    if dtype is None and out is not None:
        dtype = out.dtype
    workers = thread_count(threads)
    key: tuple[object, ...] = (
        *map(id, analyses), picture.shape, picture.strides, picture.dtype, *options.values(), flip, dtype,
        workers, None if out is None else (out.shape, out.strides, out.dtype),
    )  # fmt: skip
    try:
        plan = prepared_plan(key)
    except TypeError:  # a stride given as a list, say
        key, plan = (object(),), None
    if plan is None:
        request = request_of(
            _plane(picture.shape), analyses[0].shape, picture.dtype,
            kernels=len(analyses), flip=flip, dtype=dtype, **options,
        )  # fmt: skip
        plan = plan_of(request, analyses, workers, known_machine())
    result = _into(picture, plan, out, key, several=several)
    if call is not None and picture is image and picture.ndim < 4 and not several:
        keep_call(call, key, picture, result, kernel)
    return result


def plan(
    kernel: Kernels, shape: tuple[int, ...], dtype: npt.DTypeLike = "float32", *, threads: int | None = None,
    result: npt.DTypeLike | None = None, flip: bool = False, **options: Any,  # noqa: ANN401 - apply's
) -> Plan:  # fmt: skip
    """How `apply` would compute this: the method, why, what it costs, and the methods it turned down.

    `shape` and `dtype` are the picture's, `result` is the dtype of the result (`apply`'s ``dtype``); all
    else, ``border``, ``value``, ``stride``, ``dilation`` and ``anchor`` too, is as `apply` takes it.

    >>> plan("1 2 1; 0 0 0; -1 -2 -1", (480, 640), "uint8").choices[0].analysis.rank
    1
    """
    analyses, _ = read_kernels(kernel, flip=flip)
    shape = tuple(int(length) for length in shape)
    _check_axes(shape)
    unknown = set(options) - {"border", "value", "stride", "dilation", "anchor"}
    if unknown:
        known = ("border", "value", "stride", "dilation", "anchor", "flip", "threads", "result")
        raise InputError(f"plan has no option {min(unknown)!r}; {nearest_name(min(unknown), known)}")
    request = request_of(
        _plane(shape), analyses[0].shape, dtype,
        kernels=len(analyses), flip=flip, dtype=result, **options,
    )  # fmt: skip
    found = plan_of(request, analyses, thread_count(threads), known_machine())
    ready = all(is_ready(signature) for signature in signatures(found))
    return found if ready else replace(found, path="scipy")


def is_lazy(image: object) -> bool:
    """True of a dask array, without importing dask."""
    return type(image).__module__.partition(".")[0] == "dask" and hasattr(image, "dask")


def _picture(image: npt.ArrayLike) -> Picture:
    if isinstance(image, str | bytes):
        raise InputError("a picture is an array of numbers, not text; read a file with Pillow first")
    if isinstance(image, ExactArray | Kernel):
        image = np.asarray(image, dtype=np.float64)
    array = image if isinstance(image, np.ndarray) else np.asarray(image)
    if array.dtype not in NATIVE:
        array = array.astype(source_name(array.dtype))
    _check_axes(array.shape)
    return array


def _plane(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Height, width and channels of one picture of a batch."""
    height, width, channels = (*shape, 1) if len(shape) == 2 else shape[-3:]
    return height, width, channels


def _check_axes(shape: tuple[int, ...]) -> None:
    if len(shape) < 2:
        raise ShapeError(f"a picture of shape {shape} has {len(shape)} axes; it needs (H, W) or (…, H, W, C)")


def _into(
    picture: Picture, plan: Plan, out: Picture | None, key: tuple[object, ...], *, several: bool
) -> Picture:
    """The result of a plan over a picture or a batch, in `out` where it is given."""
    request = plan.request
    lead = picture.shape[:-3] if picture.ndim > 3 else ()
    tail = request.out if picture.ndim == 2 else (*request.out, request.picture[2])
    shape = (*((request.kernels,) if several else ()), *lead, *tail)
    if out is not None:
        _check_out(out, shape, request)
    target = out
    if out is None or not written_at_once(out, request, picture):
        target = empty(shape, computed_type(request))
    assert target is not None  # noqa: S101 - set above
    if target.size:
        stacked = target if several else target[None]
        if picture.ndim == 2:
            stacked, picture = stacked[..., None], picture[..., None]
        _run_all(picture, stacked, plan, key, lead)
    if out is not None and target is not out:
        out[...] = target
        return out
    return target if target.dtype == request.result else target.astype(request.result)


def _run_all(
    picture: Picture, stacked: Picture, plan: Plan, key: tuple[object, ...], lead: tuple[int, ...]
) -> None:
    for index in np.ndindex(*lead):
        one = picture[index] if lead else picture
        target = stacked[(slice(None), *index)] if lead else stacked
        run_plan(plan, one, target, key=key)


def _check_out(out: Picture, shape: tuple[int, ...], request: Request) -> None:
    if not isinstance(out, np.ndarray):
        raise InputError(f"out={type(out).__name__} is not a NumPy array")
    if out.shape != shape:
        raise ShapeError(f"out has shape {out.shape}; the result has {shape}")
    if out.dtype != request.result:
        raise InputError(f"out has dtype {out.dtype}; the result has {request.result}")
    if not out.flags.writeable:
        raise InputError("out is read-only; the result cannot be written there")
