"""Numbers of the picture into vectors of the working type, and sums out again in the type of the result."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from convscope.engine.simd import I64, VECTOR_BYTES, VECTORS, Emitter, number_type


def _machine_type(kind: Any) -> tuple[Any, int]:
    """LLVM's type of a NumPy number, and its size in bytes."""
    kind = number_type(kind)
    if kind == types.float32:
        return ir.FloatType(), 4
    if kind == types.float64:
        return ir.DoubleType(), 8
    return ir.IntType(kind.bitwidth), kind.bitwidth // 8


def _widened(emit: Emitter, value: Any, kind: Any, target: Any) -> Any:
    """A number or vector of numbers of the picture, in the working type."""
    builder, kind = emit.builder, number_type(kind)
    if isinstance(kind, types.Integer):
        return (builder.sitofp if kind.signed else builder.uitofp)(value, target)
    size = 4 if kind == types.float32 else 8
    if size == emit.size:
        return value
    return (builder.fpext if size < emit.size else builder.fptrunc)(value, target)


@intrinsic
def convert_row(typing: Any, source: Any, work: Any, src: Any, out: Any, count: Any) -> Any:
    """`count` numbers of the picture that lie side by side, in the working type."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, _, src, out, count = arguments
        emit = Emitter(builder, work)
        element, size = _machine_type(source)
        wide = ir.VectorType(element, emit.lanes)
        whole = builder.sdiv(count, emit.number(emit.lanes))

        def copy(index: Any, kind: Any, target: Any) -> None:
            value = emit.load(builder.add(src, builder.mul(index, emit.number(size))), kind, size)
            place = builder.add(out, builder.mul(index, emit.number(emit.size)))
            emit.store(_widened(emit, value, source, target), place)

        # Several vectors a turn; the last one may overlap the one before it.
        many = builder.sdiv(whole, emit.number(VECTORS))
        with cgutils.for_range(builder, many) as loop:
            first = builder.mul(loop.index, emit.number(VECTORS * emit.lanes))
            for v in range(VECTORS):
                copy(emit.at(first, v * emit.lanes), wide, emit.vector)
        done = builder.mul(many, emit.number(VECTORS))
        with cgutils.for_range(builder, builder.sub(whole, done)) as loop:
            copy(builder.mul(builder.add(done, loop.index), emit.number(emit.lanes)), wide, emit.vector)
        done = builder.mul(whole, emit.number(emit.lanes))
        rest = builder.sub(count, done)
        is_long = builder.icmp_signed(">", whole, emit.number(0))
        is_open = builder.icmp_signed(">", rest, emit.number(0))
        with builder.if_then(is_open), builder.if_else(is_long) as (overlapping, single):
            with overlapping:
                copy(builder.sub(count, emit.number(emit.lanes)), wide, emit.vector)
            with single, cgutils.for_range(builder, rest) as loop:
                copy(builder.add(done, loop.index), element, emit.element)
        return context.get_dummy_value()

    return types.void(source, work, types.int64, types.int64, types.int64), generate


@intrinsic
def fill_row(typing: Any, work: Any, out: Any, count: Any, value: Any) -> Any:
    """`count` numbers that are all alike, in whole vectors: up to one vector more is written."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, out, count, value = arguments
        emit = Emitter(builder, work)
        vector = emit.splat(value)
        vectors = builder.sdiv(emit.at(count, emit.lanes - 1), emit.number(emit.lanes))
        with cgutils.for_range(builder, vectors) as loop:
            emit.store(vector, builder.add(out, builder.mul(loop.index, emit.number(VECTOR_BYTES))))
        return context.get_dummy_value()

    return types.void(work, types.int64, types.int64, number_type(work)), generate


def _narrowed(emit: Emitter, value: Any, kind: Any, target: Any) -> Any:
    """A number or vector in the type of the result: integers rounded half to even and clipped, NaN is 0."""
    builder, kind = emit.builder, number_type(kind)
    if not isinstance(kind, types.Integer):
        size = 4 if kind == types.float32 else 8
        if size == emit.size:
            return value
        return (builder.fpext if size > emit.size else builder.fptrunc)(value, target)

    def constant(number: float) -> Any:
        scalar = ir.Constant(emit.element, float(number))
        return emit.splat(scalar, value.type) if isinstance(value.type, ir.VectorType) else scalar

    is_nan = builder.fcmp_unordered("uno", value, value)
    value = builder.select(is_nan, constant(0), value)
    value = emit.intrinsic(
        "minnum", emit.intrinsic("maxnum", value, constant(kind.minval)), constant(kind.maxval)
    )
    value = emit.intrinsic("nearbyint", value)
    between = ir.IntType(32)
    if isinstance(target, ir.VectorType):
        between = ir.VectorType(between, target.count)
    whole = builder.fptosi(value, between)
    return whole if kind.bitwidth == 32 else builder.trunc(whole, target)


@intrinsic
def finish_row(
    typing: Any,
    work: Any,
    result: Any,
    src: Any,
    out: Any,
    count: Any,
    factor: Any,
    divides: Any,
    stream: Any,
) -> Any:
    """`count` sums, times `factor` (or divided by it), in the type of the result."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, _, src, out, count, factor, divides, stream = arguments
        emit = Emitter(builder, work)
        element, size = _machine_type(result)
        wide = ir.VectorType(element, emit.lanes)
        whole = builder.sdiv(count, emit.number(emit.lanes))
        done = builder.mul(whole, emit.number(emit.lanes))

        def piece(index: Any, vector: Any, *, division: bool, streaming: bool) -> None:
            kind, target = (emit.vector, wide) if vector else (emit.element, element)
            value = emit.load(builder.add(src, builder.mul(index, emit.number(emit.size))), kind)
            scale = emit.splat(factor) if vector else factor
            value = builder.fdiv(value, scale) if division else builder.fmul(value, scale)
            place = builder.add(out, builder.mul(index, emit.number(size)))
            value = _narrowed(emit, value, result, target)
            emit.store(value, place, emit.lanes * size if streaming else size, stream=streaming)

        def pieces(*, division: bool) -> None:
            flag = builder.icmp_signed("!=", stream, emit.number(0))
            with builder.if_else(flag) as (streamed, plain):
                for branch, streaming in ((streamed, True), (plain, False)):
                    with branch, cgutils.for_range(builder, whole) as loop:
                        start = builder.mul(loop.index, emit.number(emit.lanes))
                        piece(start, vector=True, division=division, streaming=streaming)
            with cgutils.for_range(builder, builder.sub(count, done)) as loop:
                piece(builder.add(done, loop.index), vector=False, division=division, streaming=False)

        is_division = builder.icmp_signed("!=", divides, emit.number(0))
        with builder.if_else(is_division) as (dividing, multiplying):
            with dividing:
                pieces(division=True)
            with multiplying:
                pieces(division=False)
        return context.get_dummy_value()

    return types.void(work, result, *[types.int64] * 3, number_type(work), *[types.int64] * 2), generate


@intrinsic
def peek(typing: Any, source: Any, work: Any, address: Any) -> Any:
    """One number of the picture, in the working type."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = Emitter(builder, work)
        element, size = _machine_type(source)
        return _widened(emit, emit.load(arguments[2], element, size), source, emit.element)

    return number_type(work)(source, work, types.int64), generate


@intrinsic
def peek_place(typing: Any, address: Any) -> Any:
    """One number of a table of places, which are 64 bits long."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], I64.as_pointer())
        return builder.load(pointer, align=8)

    return types.int64(types.int64), generate


@intrinsic
def poke(typing: Any, work: Any, address: Any, value: Any) -> Any:
    """Write one number of the working type."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        Emitter(builder, work).store(arguments[2], arguments[1])
        return context.get_dummy_value()

    return types.void(work, types.int64, number_type(work)), generate
