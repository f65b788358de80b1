"""`apply` and `plan`: what is asked for is normalised here, once, and handed to the cheapest method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from convscope.core.array import ExactArray
from convscope.core.kernel import Kernel
from convscope.core.reading import MatrixLike
from convscope.core.reading import kernel as read_kernel
from convscope.engine import fallback
from convscope.engine.analysis import Analysis, analyse
from convscope.engine.borders import VALID
from convscope.engine.cost import is_measured, known_machine
from convscope.engine.fourier import FourierRun
from convscope.engine.methods import DIRECT, FOURIER, methods
from convscope.engine.plan import Plan, families, plan_of, taken
from convscope.engine.program import Program, Strides, build
from convscope.engine.request import SOURCES, Request, request_of, source_name
from convscope.engine.running import run_bands, scratch, thread_count
from convscope.engine.signatures import Signature, is_ready, markers, prepare, tile_function
from convscope.errors import InputError, ShapeError

Picture: TypeAlias = npt.NDArray[Any]
Kernels: TypeAlias = MatrixLike | Sequence[Kernel]

# A call that SciPy serves in less than this does not wait for the compiler.
PATIENCE = 0.5
ALIGNMENT = 64
LARGE = 2**20  # bytes from which a result is worth aligning
MAX_PREPARED = 256
NATIVE = frozenset(np.dtype(name) for name in SOURCES)


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A plan ready to run over pictures laid out one way."""

    plan: Plan
    passes: tuple[tuple[Signature, Callable[..., Any], tuple[Any, ...], Program], ...]
    direct: tuple[tuple[FourierRun, int, Prepared], ...]


_prepared: dict[tuple[object, ...], Prepared] = {}
_kernels: dict[object, tuple[object, tuple[Analysis, ...], bool]] = {}


def apply(
    image: npt.ArrayLike,
    kernel: Kernels,
    *,
    border: str = "zero",
    value: float = 0,
    stride: int | tuple[int, int] = 1,
    dilation: int | tuple[int, int] = 1,
    flip: bool = False,
    dtype: npt.DTypeLike | None = None,
    out: Picture | None = None,
    threads: int | None = None,
    anchor: tuple[int, int] | None = None,
) -> Picture:
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
    options = {"border": border, "value": value, "stride": stride, "dilation": dilation, "anchor": anchor}
    if not isinstance(image, np.ndarray) and is_lazy(image):
        from convscope.engine.scale import apply_lazily

        lazy: Any = apply_lazily(
            cast("Any", image), kernel, flip=flip, dtype=dtype, out=out, threads=threads, **options
        )
        return cast("Picture", lazy)
    picture = _picture(image)
    analyses, several = read_kernels(kernel, flip=flip)
    if dtype is None and out is not None:
        dtype = out.dtype
    workers = thread_count(threads)
    key: tuple[object, ...] = (
        tuple(map(id, analyses)), picture.shape, picture.strides, picture.dtype, border, value, stride,
        dilation, anchor, flip, dtype, workers,
        None if out is None else (out.shape, out.strides, out.dtype),
    )  # fmt: skip
    try:
        found = _prepared.get(key)
    except TypeError:  # a stride given as a list, say
        key, found = (object(),), None
    if found is None:
        request = request_of(
            _plane(picture.shape), analyses[0].shape, picture.dtype,
            kernels=len(analyses), flip=flip, dtype=dtype, **options,
        )  # fmt: skip
        plan = plan_of(request, analyses, workers, known_machine())
    else:
        plan = found.plan
    return _into(picture, plan, out, key, several=several)


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
        from convscope.errors import nearest_name

        known = ("border", "value", "stride", "dilation", "anchor", "flip", "threads", "result")
        raise InputError(f"plan has no option {min(unknown)!r}; {nearest_name(min(unknown), known)}")
    request = request_of(
        _plane(shape), analyses[0].shape, dtype,
        kernels=len(analyses), flip=flip, dtype=result, **options,
    )  # fmt: skip
    found = plan_of(request, analyses, thread_count(threads), known_machine())
    ready = all(is_ready(signature) for signature in signatures(found))
    return found if ready else replace(found, path="scipy")


def signatures(plan: Plan) -> list[Signature]:
    """The compiled functions that a plan runs."""
    result = _computed(plan.request)
    found = []
    for family, numbers in families(plan).items():
        work = plan.choices[numbers[0]].taken.method.work
        name = DIRECT if family == FOURIER else family
        found.append(Signature(name, plan.request.source, work, result))
    return found


def _computed(request: Request) -> str:
    """The dtype compiled code writes; float16 is rounded from float32."""
    return "float32" if request.result == "float16" else request.result


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


def read_kernels(kernel: Kernels, *, flip: bool) -> tuple[tuple[Analysis, ...], bool]:
    """The analyses of one kernel or several, remembered; and whether several were asked for."""
    key: object
    if isinstance(kernel, np.ndarray):
        key = (
            kernel.dtype.str,
            kernel.shape,
            kernel.tobytes() if kernel.dtype != object else id(kernel),
            flip,
        )
    elif isinstance(kernel, str):
        key = (kernel, flip)
    else:
        key = (id(kernel), flip)
    found = _kernels.get(key)
    if found is not None and (
        not isinstance(kernel, list) and (isinstance(kernel, np.ndarray | str) or found[0] is kernel)
    ):
        return found[1], found[2]
    parts, several = _split(kernel)
    analyses = tuple(analyse(part, flip=flip) for part in parts)
    shapes = {analysis.shape for analysis in analyses}
    if len(shapes) > 1:
        raise ShapeError(f"several kernels need one shape, got {', '.join(map(str, sorted(shapes)))}")
    if len(_kernels) >= MAX_PREPARED:
        _kernels.clear()
        _prepared.clear()
    # The kernel is kept with its key, so that its id stays its own.
    _kernels[key] = (kernel, analyses, several)
    return analyses, several


def _split(kernel: Kernels) -> tuple[list[Kernel], bool]:
    if (
        isinstance(kernel, list | tuple)
        and any(isinstance(part, Kernel | ExactArray | np.ndarray | str) for part in kernel)
        and not all(isinstance(part, str) for part in kernel)
    ):
        parts = list(kernel)
        if all(np.ndim(part) >= 2 or isinstance(part, Kernel) for part in parts if not isinstance(part, str)):
            return [read_kernel(part) for part in parts], True
    if isinstance(kernel, np.ndarray) and kernel.ndim == 3:
        if not len(kernel):
            raise ShapeError("a stack of no kernels has nothing to apply")
        return [read_kernel(part) for part in kernel], True
    if isinstance(kernel, np.ndarray) and kernel.ndim not in {1, 2}:
        raise ShapeError(
            f"kernels of shape {kernel.shape} are not allowed; give (kh, kw), or (n, kh, kw) for several"
        )
    one = read_kernel(cast("MatrixLike", kernel))
    if one.rank == 3 and not isinstance(kernel, Kernel):
        return [Kernel(one.weights[number]) for number in range(one.shape[0])], True
    return [one], False


# --- running ---------------------------------------------------------------------------------


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
    if out is None or not _writable_at_once(out, request, picture):
        target = empty(shape, _computed(request))
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


def empty(shape: tuple[int, ...], dtype: npt.DTypeLike) -> Picture:
    """An uninitialised array; a large one begins on a cache line, so that it can be streamed to."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if size < LARGE:
        return np.empty(shape, dtype=dtype)
    memory = np.empty(size + ALIGNMENT, dtype=np.uint8)
    begin = -memory.ctypes.data % ALIGNMENT
    return memory[begin : begin + size].view(dtype).reshape(shape)


def _check_out(out: Picture, shape: tuple[int, ...], request: Request) -> None:
    if not isinstance(out, np.ndarray):
        raise InputError(f"out={type(out).__name__} is not a NumPy array")
    if out.shape != shape:
        raise ShapeError(f"out has shape {out.shape}; the result has {shape}")
    if out.dtype != request.result:
        raise InputError(f"out has dtype {out.dtype}; the result has {request.result}")
    if not out.flags.writeable:
        raise InputError("out is read-only; the result cannot be written there")


def _writable_at_once(out: Picture, request: Request, picture: Picture) -> bool:
    """True when rows of `out` lie in one piece, in the type compiled code writes, apart from the picture."""
    if out.dtype != _computed(request) or not out.dtype.isnative or not out.size:
        return False
    step = out.itemsize
    axes = 2 if picture.ndim == 2 else 3
    for axis in range(1, axes):
        if out.strides[-axis] != step and out.shape[-axis] > 1:
            return False
        step *= out.shape[-axis]
    return out.strides[-axes] >= 0 and not np.may_share_memory(out, picture)


def run_plan(
    plan: Plan, picture: Picture, out: Picture, *, wait: bool = False, key: tuple[object, ...] | None = None
) -> None:
    """Run a plan over one picture (H, W, C) into a stack (n, H', W', C) whose rows lie in one piece."""
    aligned = out.ctypes.data % ALIGNMENT == 0
    place = None if key is None else (*key, aligned)
    found = None if place is None else _prepared.get(place)
    if found is None:
        needed = signatures(plan)
        kernels = tuple(choice.analysis for choice in plan.choices)
        slow = fallback.seconds(plan.request, kernels)
        ready = [prepare(signature, wait=wait or slow > PATIENCE) for signature in needed]
        if not all(ready):
            fallback.apply_slowly(picture, kernels, plan.request, out)
            return
        found = _prepare(plan, picture, out)
        if place is not None and key is not None:
            if len(_prepared) >= MAX_PREPARED:
                _prepared.clear()
            _prepared[place] = _prepared[key] = found
    execute(found, picture, out)


def _prepare(plan: Plan, picture: Picture, out: Picture) -> Prepared:
    request = plan.request
    strides = Strides(
        (picture.strides[0], picture.strides[1], picture.strides[2]), picture.itemsize,
        out.strides[1], out.itemsize, out.strides[0],
    )  # fmt: skip
    passes, transforms = [], []
    needed = dict(zip(families(plan), signatures(plan), strict=True))
    for family, numbers in families(plan).items():
        if family == FOURIER:
            for number in numbers:
                transforms.append(_fourier(plan, number, picture, out))
            continue
        program = build(family, request, taken(plan, numbers), strides, out.ctypes.data)
        signature = needed[family]
        function, head = tile_function(family), markers(signature)
        if numbers == list(range(len(plan.choices))):
            passes.append((signature, function, head, program))
            continue
        # Kernels of several families: each runs by itself, at its own place of the stack.
        for number in numbers:
            one = build(family, request, taken(plan, [number]), strides, out.ctypes.data)
            passes.append((signature, function, head, replace(one, first=number)))
    return Prepared(plan, tuple(passes), tuple(transforms))


def _fourier(plan: Plan, number: int, picture: Picture, out: Picture) -> tuple[FourierRun, int, Prepared]:
    choice = plan.choices[number]
    run = FourierRun(plan.request, choice.analysis.floats, choice.taken.method.work)
    direct = methods(plan.request, choice.analysis, choice.taken.method.work)[0]
    request = replace(plan.request, kernels=1)
    instead = replace(choice, taken=replace(choice.taken, method=direct))
    fallback_plan = replace(plan, request=request, choices=(instead,))
    return run, number, _prepare(fallback_plan, picture, out[number : number + 1])


def apply_like(plan: Plan, part: Picture) -> Picture:
    """The windows that lie inside a part of a larger picture, by the methods its whole plan took.

    The same methods add the same numbers in the same order, so parts make the very result of the whole
    (a Fourier plan excepted, whose tiles then lie elsewhere).
    """
    cells = part[..., None] if part.ndim == 2 else part
    if cells.dtype not in NATIVE:
        cells = cells.astype(source_name(cells.dtype))
    request = replace(
        plan.request, picture=(cells.shape[0], cells.shape[1], cells.shape[2]), source=cells.dtype.name,
        border=VALID, value=0.0,
    )  # fmt: skip
    out = empty((1, *request.out, request.picture[2]), _computed(request))
    if out.size:
        run_plan(replace(plan, request=request), cells, out, wait=True)
    found = out[0, ..., 0] if part.ndim == 2 else out[0]
    return found.astype(request.result, copy=False)


def execute(prepared: Prepared, picture: Picture, out: Picture) -> None:
    """Run what was prepared."""
    threads = prepared.plan.threads
    rows = prepared.plan.request.out[0]
    src, dst = picture.ctypes.data, out.ctypes.data
    for _, function, head, program in prepared.passes:
        arguments = program.arguments()
        size = program.weights.itemsize
        begin_at = dst + program.first * out.strides[0]

        def band(begin: int, end: int) -> None:
            function(*head, *arguments, src, begin_at, scratch(program.scratch), begin, end, size)  # noqa: B023

        run_bands(band, rows, program.band, threads)
    for run, number, instead in prepared.direct:
        _run_fourier(run, picture, out[number], instead, threads)


def _run_fourier(run: FourierRun, picture: Picture, out: Picture, instead: Prepared, threads: int) -> None:
    _, function, head, program = instead.passes[0]
    arguments = program.arguments()
    src, dst = picture.ctypes.data, out.ctypes.data

    def again(begin: int, end: int) -> None:
        function(*head, *arguments, src, dst, scratch(program.scratch), begin, end, program.weights.itemsize)

    def band(begin: int, end: int) -> None:
        run.run(picture, out, begin, end, fallback.rounded, again)

    run_bands(band, run.request.out[0], run.band, threads)


__all__ = ["apply", "is_measured", "plan"]
