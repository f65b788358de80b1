"""Window sums along a row without leaving the registers.

A sum of 2m neighbours is a sum of m and the same one m places further on; the place further on lies in
the vector that was loaded next, so a shuffle brings it. Sums of 1, 2, 4 … numbers are made so in one walk
along the row, up to as many as a vector has lanes, and the ones that the binary digits of a length name are
put one behind another. Every cell is added in the order of its own window, wherever its vector begins.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from convscope.engine.simd import VECTOR_BYTES, Emitter, number_type

MAX_CHANNELS = 4  # numbers of a pixel for which the shuffles are written down


class _Stream:
    """A row of vectors as it is made: today's, and as many earlier ones as are still needed."""

    def __init__(self, emit: Emitter, delay: int, behind: int) -> None:
        self.emit, self.delay = emit, delay  # today's vector is the one `delay` places before the newest
        self._slots = [cgutils.alloca_once(emit.builder, emit.vector) for _ in range(behind)]
        for slot in self._slots:
            emit.builder.store(emit.zero(), slot)
        self._kept = [emit.zero()] * behind
        self._today: Any = None

    def begin(self) -> None:
        """Look up the earlier vectors."""
        self._kept = [self.emit.builder.load(slot) for slot in self._slots]

    def write(self, vector: Any) -> None:
        """Today's vector."""
        self._today = vector

    def end(self) -> None:
        """Keep what the next turn needs."""
        for slot, vector in zip(self._slots, [self._today, *self._kept], strict=False):
            self.emit.builder.store(vector, slot)

    def vector(self, delay: int) -> Any:
        """The vector `delay` places before the newest of the row."""
        back = delay - self.delay
        return self._kept[back - 1] if back else self._today

    def shifted(self, delay: int, whole: int, part: int) -> Any:
        """The same, begun `whole` vectors and `part` lanes further on."""
        first = self.vector(delay - whole)
        if not part:
            return first
        lanes = ir.VectorType(ir.IntType(32), self.emit.lanes)
        places = ir.Constant(lanes, [part + lane for lane in range(self.emit.lanes)])
        return self.emit.builder.shuffle_vector(first, self.vector(delay - whole - 1), places)


class _Walk:
    """The streams of one walk: sums of 2ᵏ neighbours, and of as many as the low digits of a length say."""

    def __init__(self, emit: Emitter, channels: int) -> None:
        self.emit = emit
        self.steps = emit.lanes.bit_length() - 1
        self.shifts = [divmod(channels << step, emit.lanes) for step in range(self.steps)]
        reach = [whole + (1 if part else 0) for whole, part in self.shifts]
        doubled, joined = [0], [0]
        for step in range(self.steps):
            doubled.append(doubled[-1] + reach[step])
        for step in range(1, self.steps):
            joined.append(joined[-1] + reach[step])
        # The last of each is met by the other a whole vector's width of pixels further on.
        self.lag = max(doubled[-1], joined[-1] + channels)
        behind = self.lag + 1
        self.doubled = [_Stream(emit, delay, behind) for delay in doubled]
        self.joined = [_Stream(emit, delay, behind) for delay in joined]

    def turn(self, newest: Any, low: Any) -> None:
        """One vector more; `low` holds the digits that are joined."""
        builder = self.emit.builder
        for stream in (*self.doubled, *self.joined):
            stream.begin()
        self.doubled[0].write(newest)
        for step, shift in enumerate(self.shifts):
            source, delay = self.doubled[step], self.doubled[step + 1].delay
            total = builder.fadd(source.vector(delay), source.shifted(delay, *shift))
            self.doubled[step + 1].write(total)
        self.joined[0].write(builder.select(self._digit(low, 0), newest, self.emit.zero()))
        for step in range(1, self.steps):
            source, delay = self.joined[step - 1], self.joined[step].delay
            longer = builder.fadd(self.doubled[step].vector(delay), source.shifted(delay, *self.shifts[step]))
            self.joined[step].write(builder.select(self._digit(low, step), longer, source.vector(delay)))

    def end(self) -> None:
        """Keep what the next turn needs."""
        for stream in (*self.doubled, *self.joined):
            stream.end()

    def _digit(self, low: Any, step: int) -> Any:
        digit = self.emit.builder.and_(low, self.emit.number(1 << step))
        return self.emit.builder.icmp_signed("!=", digit, self.emit.number(0))


def _place(emit: Emitter, row: Any, index: Any, delay: int) -> Any:
    """The address of a row's vector, `delay` places before the newest."""
    place = emit.builder.sub(index, emit.number(delay))
    return emit.builder.add(row, emit.builder.mul(place, emit.number(VECTOR_BYTES)))


def _write(emit: Emitter, vector: Any, row: Any, index: Any, delay: int, streamed: Any = None) -> None:
    """Write a vector at its place, once the walk is so far; past the caches where `streamed` says so."""
    builder, place = emit.builder, _place(emit, row, index, delay)
    with builder.if_then(builder.icmp_signed(">=", index, emit.number(delay)), likely=True):
        if streamed is None:
            emit.store(vector, place)
            return
        with builder.if_else(streamed) as (past, through):
            with past:
                emit.store(vector, place, align=VECTOR_BYTES, stream=True)
            with through:
                emit.store(vector, place)


def row_windows(channels: int) -> Any:
    """Sums of `whole` · lanes + `low` neighbouring pixels, for `count` vectors of a row.

    `whole` 0 or 1: the sums, times `factor`, go to `out`, past the caches when `stream` is not 0. More: the
    sums of as many pixels as a vector has lanes go to `out`, those of `low` ones to `rest`, for the caller
    to add up.

    Arguments: work, src, low, whole, out, rest, count, factor, stream.
    """

    @intrinsic
    def windows(
        typing: Any,
        work: Any,
        src: Any,
        low: Any,
        whole: Any,
        out: Any,
        rest: Any,
        count: Any,
        factor: Any,
        stream: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            _, src, low, whole, out, rest, count, factor, stream = arguments
            emit = Emitter(builder, work)
            factors = emit.splat(factor)
            streamed = builder.icmp_signed("!=", stream, emit.number(0))
            walk = _Walk(emit, channels)
            many, few = walk.doubled[-1], walk.joined[-1]

            with cgutils.for_range(builder, emit.at(count, walk.lag)) as loop:
                walk.turn(emit.load(_place(emit, src, loop.index, 0)), low)
                several = builder.icmp_signed(">", whole, emit.number(1))
                with builder.if_else(several) as (apart, together):
                    with apart:
                        _write(emit, many.vector(many.delay), out, loop.index, many.delay)
                        _write(emit, few.vector(few.delay), rest, loop.index, few.delay)
                    with together:
                        one = builder.icmp_signed("==", whole, emit.number(1))
                        both = builder.fadd(many.vector(walk.lag), few.shifted(walk.lag, channels, 0))
                        total = builder.select(one, both, few.vector(walk.lag))
                        _write(emit, builder.fmul(total, factors), out, loop.index, walk.lag, streamed)
                walk.end()
            return context.get_dummy_value()

        return types.void(work, *[types.int64] * 6, number_type(work), types.int64), generate

    return windows


row_windows_1, row_windows_2, row_windows_3, row_windows_4 = (
    row_windows(channels) for channels in range(1, MAX_CHANNELS + 1)
)
