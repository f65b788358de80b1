"""Vector instructions for Numba: the few inner loops that everything fast is made of.

Numba vectorises a loop over x well, but keeps its sums in memory when the loop over the taps is
inside. These intrinsics write the vector operations themselves (as LLVM's portable vector types,
so any processor runs them): a block of several output rows and several vectors lives in registers
while all taps pass over it. Addresses are plain integers in bytes. Every output cell adds its taps
in one fixed order, wherever its block lies, so results depend on neither tiles nor threads.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

I64 = ir.IntType(64)
_FEATURES = llvmlite.binding.get_host_cpu_features()
# Bytes of a vector register, and how many vectors side by side fill the registers with four rows.
VECTOR_BYTES = 64 if _FEATURES.get("avx512f") else 32 if _FEATURES.get("avx2") else 16
VECTORS = 2 if VECTOR_BYTES == 32 else 4
BLOCK_BYTES = VECTOR_BYTES * VECTORS


def number_type(marker: Any) -> Any:
    """Numba's type of the numbers that a marker stands for: a NumPy class such as ``numpy.float32``."""
    return marker.instance_type if isinstance(marker, types.NumberClass) else marker


class Emitter:
    """Writes vector code of one element type into a function that Numba is building."""

    def __init__(self, builder: Any, work: Any) -> None:
        self.builder = builder
        self.size = 4 if number_type(work) == types.float32 else 8
        self.element = ir.FloatType() if self.size == 4 else ir.DoubleType()
        self.lanes = VECTOR_BYTES // self.size
        self.vector = ir.VectorType(self.element, self.lanes)

    def number(self, value: int) -> Any:
        """A constant offset in bytes, or a count."""
        return ir.Constant(I64, value)

    def zero(self) -> Any:
        """A vector of zeros."""
        return ir.Constant(self.vector, [0.0] * self.lanes)

    def at(self, address: Any, offset: Any) -> Any:
        """The address `offset` bytes further on."""
        return self.builder.add(address, self.number(offset) if isinstance(offset, int) else offset)

    def load(self, address: Any, kind: Any = None, align: int | None = None) -> Any:
        """What lies at an address: a vector unless another type is named."""
        kind = kind or self.vector
        pointer = self.builder.inttoptr(address, kind.as_pointer())
        return self.builder.load(pointer, align=align or self.size)

    def store(self, value: Any, address: Any, align: int | None = None, *, stream: bool = False) -> None:
        """Write a value; `stream` writes past the caches and wants an aligned address."""
        pointer = self.builder.inttoptr(address, value.type.as_pointer())
        written = self.builder.store(value, pointer, align=align or self.size)
        if stream:
            module = self.builder.module
            written.set_metadata("nontemporal", module.add_metadata([ir.Constant(ir.IntType(32), 1)]))

    def splat(self, scalar: Any, vector: Any = None) -> Any:
        """A vector whose lanes all hold the scalar."""
        vector = vector or self.vector
        empty = ir.Constant(vector, ir.Undefined)
        single = self.builder.insert_element(empty, scalar, ir.Constant(ir.IntType(32), 0))
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), [0] * vector.count)
        return self.builder.shuffle_vector(single, empty, lanes)

    def intrinsic(self, name: str, *values: Any) -> Any:
        """A call of LLVM's own elementwise function of that name."""
        kind = values[0].type
        bits = self.size * 8
        suffix = f"v{kind.count}f{bits}" if isinstance(kind, ir.VectorType) else f"f{bits}"
        form = ir.FunctionType(kind, [kind] * len(values))
        function = cgutils.get_or_insert_function(self.builder.module, form, f"llvm.{name}.{suffix}")
        return self.builder.call(function, values)

    def accumulators(self, rows: int) -> list[list[Any]]:
        """Slots for a block of sums; LLVM keeps them in registers."""
        slots = [
            [cgutils.alloca_once(self.builder, self.vector) for _ in range(VECTORS)] for _ in range(rows)
        ]
        for row in slots:
            for slot in row:
                self.builder.store(self.zero(), slot)
        return slots

    def row_of_vectors(self, address: Any) -> list[Any]:
        """The vectors of one block row."""
        return [self.load(self.at(address, v * VECTOR_BYTES)) for v in range(VECTORS)]

    def add_products(self, row: list[Any], weight: Any, vectors: list[Any]) -> None:
        """Row += weight · vectors, in registers."""
        for slot, vector in zip(row, vectors, strict=True):
            total = self.builder.load(slot)
            self.builder.store(self.intrinsic("fmuladd", weight, vector, total), slot)

    def weight(self, address: Any, index: Any) -> Any:
        """One weight in every lane."""
        place = self.builder.add(address, self.builder.mul(index, self.number(self.size)))
        return self.splat(self.load(place, self.element))

    def write_block(self, slots: list[list[Any]], out: Any, out_step: Any, stream: Any) -> None:
        """Write a block of sums; streamed when `stream` is not 0."""
        flag = self.builder.icmp_signed("!=", stream, self.number(0))
        with self.builder.if_else(flag) as (streamed, plain):
            for branch, streaming in ((streamed, True), (plain, False)):
                with branch:
                    for r, row in enumerate(slots):
                        base = self.builder.add(out, self.builder.mul(self.number(r), out_step))
                        for v, slot in enumerate(row):
                            self.store(
                                self.builder.load(slot),
                                self.at(base, v * VECTOR_BYTES),
                                align=VECTOR_BYTES if streaming else None,
                                stream=streaming,
                            )


def dense_block(rows: int) -> Any:
    """A block of `rows` output rows of a kernel without gaps, at least `rows` taps high.

    Each input row is loaded once a column of taps and serves up to `rows` output rows. Weights lie
    column by column. Arguments: work, src, row_step, weights, kh, kw, tap_step, out, out_step, stream.
    """

    @intrinsic
    def block(
        typing: Any,
        work: Any,
        src: Any,
        row_step: Any,
        weights: Any,
        kh: Any,
        kw: Any,
        tap_step: Any,
        out: Any,
        out_step: Any,
        stream: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            _, src, row_step, weights, kh, kw, tap_step, out, out_step, stream = arguments
            emit = Emitter(builder, work)
            sums = emit.accumulators(rows)

            def input_row(base: Any, column: Any, place: Any, served: range) -> None:
                vectors = emit.row_of_vectors(builder.add(base, builder.mul(place, row_step)))
                for r in served:
                    emit.add_products(
                        sums[r], emit.weight(column, builder.sub(place, emit.number(r))), vectors
                    )

            with cgutils.for_range(builder, kw) as columns:
                base = builder.add(src, builder.mul(columns.index, tap_step))
                column = builder.add(
                    weights, builder.mul(columns.index, builder.mul(kh, emit.number(emit.size)))
                )
                for place in range(rows - 1):
                    input_row(base, column, emit.number(place), range(place + 1))
                with cgutils.for_range(builder, builder.sub(kh, emit.number(rows - 1))) as middle:
                    input_row(base, column, emit.at(middle.index, rows - 1), range(rows))
                for place in range(rows - 1):
                    input_row(base, column, emit.at(kh, place), range(place + 1, rows))
            emit.write_block(sums, out, out_step, stream)
            return context.get_dummy_value()

        return types.void(work, *[types.int64] * 9), generate

    return block


def taps_block(rows: int) -> Any:
    """A block of `rows` output rows from a list of taps: byte offsets and weights.

    Arguments: work, src, src_step (between output rows), offsets, weights, count, out, out_step, stream.
    """

    @intrinsic
    def block(
        typing: Any,
        work: Any,
        src: Any,
        src_step: Any,
        offsets: Any,
        weights: Any,
        count: Any,
        out: Any,
        out_step: Any,
        stream: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            _, src, src_step, offsets, weights, count, out, out_step, stream = arguments
            emit = Emitter(builder, work)
            sums = emit.accumulators(rows)
            with cgutils.for_range(builder, count) as taps:
                place = builder.add(offsets, builder.mul(taps.index, emit.number(8)))
                base = builder.add(src, emit.load(place, I64, 8))
                weight = emit.weight(weights, taps.index)
                for r in range(rows):
                    row = builder.add(base, builder.mul(emit.number(r), src_step))
                    emit.add_products(sums[r], weight, emit.row_of_vectors(row))
            emit.write_block(sums, out, out_step, stream)
            return context.get_dummy_value()

        return types.void(work, *[types.int64] * 8), generate

    return block


@intrinsic
def sum_blocks(
    typing: Any,
    work: Any,
    src: Any,
    shift: Any,
    src_step: Any,
    extra: Any,
    extra_step: Any,
    out: Any,
    out_step: Any,
    count: Any,
) -> Any:
    """Out = src + src shifted by `shift` bytes, + extra unless its address is 0; `count` blocks.

    Blocks are taken in ascending order and read before they are written: out may be src.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, src, shift, src_step, extra, extra_step, out, out_step, count = arguments
        emit = Emitter(builder, work)
        has_extra = builder.icmp_signed("!=", extra, emit.number(0))
        with builder.if_else(has_extra) as (with_extra, without):
            for branch, adds in ((with_extra, True), (without, False)):
                with branch, cgutils.for_range(builder, count) as blocks:
                    here = builder.add(src, builder.mul(blocks.index, src_step))
                    first = emit.row_of_vectors(here)
                    second = emit.row_of_vectors(builder.add(here, shift))
                    sums = [builder.fadd(a, b) for a, b in zip(first, second, strict=True)]
                    if adds:
                        third = emit.row_of_vectors(builder.add(extra, builder.mul(blocks.index, extra_step)))
                        sums = [builder.fadd(a, b) for a, b in zip(sums, third, strict=True)]
                    place = builder.add(out, builder.mul(blocks.index, out_step))
                    for v, total in enumerate(sums):
                        emit.store(total, emit.at(place, v * VECTOR_BYTES))
        return context.get_dummy_value()

    return types.void(work, *[types.int64] * 8), generate


def _summed(emit: Emitter, slots: list[Any], address: Any) -> list[Any]:
    """What lies at an address added to the sums; the new sums."""
    vectors = emit.row_of_vectors(address)
    sums = [emit.builder.fadd(emit.builder.load(s), v) for s, v in zip(slots, vectors, strict=True)]
    for slot, total in zip(slots, sums, strict=True):
        emit.builder.store(total, slot)
    return sums


@intrinsic
def sums_to_end(typing: Any, work: Any, src: Any, step: Any, out: Any, out_step: Any, count: Any) -> Any:
    """out[i] = src[i] + … + src[count − 1], added from the last one, for rows of one block."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, src, step, out, out_step, count = arguments
        emit = Emitter(builder, work)
        slots = emit.accumulators(1)[0]
        last = builder.sub(count, emit.number(1))
        with cgutils.for_range(builder, count) as loop:
            row = builder.sub(last, loop.index)
            sums = _summed(emit, slots, builder.add(src, builder.mul(row, step)))
            place = builder.add(out, builder.mul(row, out_step))
            for v, total in enumerate(sums):
                emit.store(total, emit.at(place, v * VECTOR_BYTES))
        return context.get_dummy_value()

    return types.void(work, *[types.int64] * 5), generate


@intrinsic
def sums_joined(
    typing: Any,
    work: Any,
    src: Any,
    step: Any,
    before: Any,
    rest: Any,
    rest_step: Any,
    out: Any,
    out_step: Any,
    count: Any,
) -> Any:
    """out[i] = rest[i] + src[0] + … + src[before + i − 1], for rows of one block."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, src, step, before, rest, rest_step, out, out_step, count = arguments
        emit = Emitter(builder, work)
        slots = emit.accumulators(1)[0]
        with cgutils.for_range(builder, before) as loop:
            _summed(emit, slots, builder.add(src, builder.mul(loop.index, step)))
        here = builder.add(src, builder.mul(before, step))
        with cgutils.for_range(builder, count) as loop:
            others = emit.row_of_vectors(builder.add(rest, builder.mul(loop.index, rest_step)))
            place = builder.add(out, builder.mul(loop.index, out_step))
            for v, (slot, other) in enumerate(zip(slots, others, strict=True)):
                emit.store(builder.fadd(other, builder.load(slot)), emit.at(place, v * VECTOR_BYTES))
            _summed(emit, slots, builder.add(here, builder.mul(loop.index, step)))
        return context.get_dummy_value()

    return types.void(work, *[types.int64] * 8), generate


@intrinsic
def add_scaled(typing: Any, work: Any, src: Any, weight: Any, fresh: Any, out: Any, count: Any) -> Any:
    """Out (or 0 when `fresh`) + weight · src over `count` blocks that lie side by side."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, src, weight, fresh, out, count = arguments
        emit = Emitter(builder, work)
        factor = emit.splat(weight)
        is_fresh = builder.icmp_signed("!=", fresh, emit.number(0))
        with builder.if_else(is_fresh) as (first, later):
            for branch, adds in ((first, False), (later, True)):
                with branch, cgutils.for_range(builder, builder.mul(count, emit.number(VECTORS))) as loop:
                    shift = builder.mul(loop.index, emit.number(VECTOR_BYTES))
                    place = builder.add(out, shift)
                    product = builder.fmul(factor, emit.load(builder.add(src, shift)))
                    emit.store(builder.fadd(emit.load(place), product) if adds else product, place)
        return context.get_dummy_value()

    number = number_type(work)
    return types.void(work, types.int64, number, types.int64, types.int64, types.int64), generate


@intrinsic
def fence(typing: Any) -> Any:
    """Every write before this, streamed ones too, is seen by other threads after it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generate
