"""Memory as compiled code sees it: tables at an address, words that threads share, functions by address."""

from __future__ import annotations

import os
import platform
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from convscope.engine.simd import I64, number_type

ORDER = "seq_cst"
CACHE_LINE = 64  # bytes
_IS_X86 = platform.machine().lower() in {"x86_64", "amd64", "i386", "i686"}


@intrinsic
def pointer(typing: Any, kind: Any, address: Any) -> Any:
    """The address as a pointer to numbers, for `numba.carray`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[1], context.get_value_type(signature.return_type))

    return types.CPointer(number_type(kind))(kind, types.int64), generate


def _word(builder: Any, address: Any) -> Any:
    return builder.inttoptr(address, I64.as_pointer())


@intrinsic
def read_word(typing: Any, address: Any) -> Any:
    """A word that another thread may have written."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(_word(builder, arguments[0]), ORDER, 8)

    return types.int64(types.int64), generate


@intrinsic
def write_word(typing: Any, address: Any, value: Any) -> Any:
    """Write a word that other threads read; what was written before it is seen before it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store_atomic(arguments[1], _word(builder, arguments[0]), ORDER, 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def add_to_word(typing: Any, address: Any, value: Any) -> Any:
    """Add to a shared word in one step; what it was before."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.atomic_rmw("add", _word(builder, arguments[0]), arguments[1], ORDER)

    return types.int64(types.int64, types.int64), generate


@intrinsic
def relax(typing: Any) -> Any:
    """A short pause in a loop that waits for another thread."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if _IS_X86:
            form = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, form, "llvm.x86.sse2.pause"), [])
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def give_way(typing: Any) -> Any:
    """Let another thread have this processor, where one wants it and the system has a call for that."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if os.name == "posix":
            form = ir.FunctionType(ir.IntType(32), [])
            builder.call(cgutils.get_or_insert_function(builder.module, form, "sched_yield"), [])
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def expect(typing: Any, address: Any, count: Any) -> Any:
    """Have `count` bytes brought near while other work is done; nothing happens where there is no memory."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, count = arguments
        line, byte, flag = ir.Constant(I64, CACHE_LINE), ir.IntType(8).as_pointer(), ir.IntType(32)
        form = ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
        fetch = cgutils.get_or_insert_function(builder.module, form, "llvm.prefetch.p0i8")
        # To read, into the second-level cache, as data.
        how = [ir.Constant(flag, word) for word in (0, 2, 1)]
        lines = builder.sdiv(builder.add(count, ir.Constant(I64, CACHE_LINE - 1)), line)
        with cgutils.for_range(builder, lines) as loop:
            place = builder.add(address, builder.mul(loop.index, line))
            builder.call(fetch, [builder.inttoptr(place, byte), *how])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def call_tiles(
    typing: Any, function: Any, job: Any, src: Any, dst: Any, scratch: Any, begin: Any, end: Any
) -> Any:
    """Call a compiled tile function by its address, as Numba calls its own functions.

    Its first three arguments are classes of numbers, which are empty pointers when compiled.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        function, *words = arguments
        opaque = ir.IntType(8).as_pointer()
        result, error = opaque.as_pointer(), opaque.as_pointer()
        form = ir.FunctionType(ir.IntType(32), [result, error, *[opaque] * 3, *[I64] * len(words)])
        nothing = ir.Constant(opaque, None)
        slots = [cgutils.alloca_once_value(builder, nothing) for _ in range(2)]
        builder.call(builder.inttoptr(function, form.as_pointer()), [*slots, *[nothing] * 3, *words])
        return context.get_dummy_value()

    return types.void(*[types.int64] * 7), generate
