"""Bands of rows taken by several threads, in compiled code: no interpreter lock between them.

One board of shared words, each that changes on a cache line of its own. Whoever leads writes the job and
opens it; helpers that see a new sequence number enter, and every one takes the next band until none is
left. The leader shuts the board and waits until those that entered have left, so the job's memory is
nobody's afterwards. A helper that comes late sees a board that is shut, or a newer job, which it may as well
help with.
"""

from __future__ import annotations

from convscope.engine.compiling import compiled
from convscope.engine.memory import (
    CACHE_LINE,
    add_to_word,
    call_tiles,
    give_way,
    read_word,
    relax,
    write_word,
)

# Places on the board, in bytes.
SEQUENCE, OPEN, INSIDE, NEXT, TOP, BOTTOM = (place * CACHE_LINE for place in range(6))
FUNCTION, JOB, SRC, DST, SCRATCH, ROOM, ROWS, BAND, SEATS = (6 * CACHE_LINE + 8 * place for place in range(9))
BOARD_BYTES = 8 * CACHE_LINE
# How often the leader looks whether all have left before it lets other programs run.
LOOKS = 2000
YIELD = 16  # looks between two offers of the processor to other threads
# What a leader says: it did nothing; it has done its part, others are still at theirs; all is done.
REFUSED, UNFINISHED, DONE = range(3)
ANYWHERE = -1  # a result may begin on a cache line or not


@compiled
def run_alone(function: int, job: int, src: int, dst: int, scratch: int, begin: int, end: int) -> None:
    """Output rows `begin` to `end`, on this thread."""
    call_tiles(function, job, src, dst, scratch, begin, end)


@compiled
def take_bands(board: int, seat: int) -> None:
    """Compute bands until all are taken; each seat has its own scratch memory.

    Seats begin from the top and from the bottom in turn, so that in a series of calls each finds most of its
    part of the picture, and of the result, in the cache of its own processor.
    """
    function, job = read_word(board + FUNCTION), read_word(board + JOB)
    src, dst = read_word(board + SRC), read_word(board + DST)
    scratch = read_word(board + SCRATCH) + seat * read_word(board + ROOM)
    rows, band = read_word(board + ROWS), read_word(board + BAND)
    bands = (rows + band - 1) // band
    while add_to_word(board + NEXT, 1) < bands:
        number = add_to_word(board + TOP, 1) if seat % 2 == 0 else bands - 1 - add_to_word(board + BOTTOM, 1)
        begin = number * band
        call_tiles(function, job, src, dst, scratch, begin, min(begin + band, rows))


@compiled
def lead(
    board: int, function: int, job: int, src: int, dst: int, scratch: int, room: int,
    rows: int, band: int, seats: int,
) -> int:  # fmt: skip
    """Post a job, work on it, and wait for the helpers a while."""
    write_word(board + FUNCTION, function)
    write_word(board + JOB, job)
    write_word(board + SRC, src)
    write_word(board + DST, dst)
    write_word(board + SCRATCH, scratch)
    write_word(board + ROOM, room)
    write_word(board + ROWS, rows)
    write_word(board + BAND, band)
    write_word(board + SEATS, seats)
    write_word(board + NEXT, 0)
    write_word(board + TOP, 0)
    write_word(board + BOTTOM, 0)
    write_word(board + OPEN, 1)
    add_to_word(board + SEQUENCE, 1)
    take_bands(board, 0)
    write_word(board + OPEN, 0)
    return DONE if all_left(board, LOOKS) else UNFINISHED


@compiled
def numbers_of(array: int, head: int) -> int:
    """Where the numbers of an array lie, which stands so many bytes behind its own address."""
    address: int = read_word(array + head)
    return address


@compiled
def is_fit(src: int, dst: int, below: int, within: int, length: int, aligned: int) -> bool:
    """True when picture and result lie apart, and the result begins on a cache line or not, as is wanted."""
    apart = src + within <= dst or dst + length <= src + below
    return apart and (aligned == ANYWHERE or (dst % CACHE_LINE == 0) == (aligned == 1))


@compiled
def run_arrays(
    function: int, job: int, source: int, target: int, head: int, below: int, within: int, length: int,
    aligned: int, scratch: int, rows: int,
) -> bool:  # fmt: skip
    """All rows of an array's result, on this thread; False, and nothing done, when the arrays do not fit."""
    src, dst = numbers_of(source, head), numbers_of(target, head)
    fit: bool = is_fit(src, dst, below, within, length, aligned)
    if fit:
        call_tiles(function, job, src, dst, scratch, 0, rows)
    return fit


@compiled
def lead_arrays(
    board: int, function: int, job: int, source: int, target: int, head: int, below: int, within: int,
    length: int, aligned: int, scratch: int, room: int, rows: int, band: int, seats: int,
) -> int:  # fmt: skip
    """Lead a job on arrays; refused when they do not fit."""
    src, dst = numbers_of(source, head), numbers_of(target, head)
    if not is_fit(src, dst, below, within, length, aligned):
        return REFUSED
    said: int = lead(board, function, job, src, dst, scratch, room, rows, band, seats)
    return said


@compiled
def rest(look: int) -> None:
    """Between two looks. The thread that is waited for may need this very processor."""
    if look % YIELD == YIELD - 1:
        give_way()
    else:
        relax()


@compiled
def all_left(board: int, looks: int) -> bool:
    """True when no helper is inside, looked at up to so often."""
    for look in range(looks):
        if read_word(board + INSIDE) == 0:
            return True
        rest(look)
    return False


@compiled
def serve(board: int, seat: int, seen: int, looks: int) -> int:
    """Help with every job that is posted until none came for so many looks; the last one's number."""
    idle = 0
    while idle < looks:
        now = read_word(board + SEQUENCE)
        if now == seen:
            idle += 1
            rest(idle)
            continue
        seen = now
        add_to_word(board + INSIDE, 1)
        if read_word(board + OPEN) == 1 and seat < read_word(board + SEATS):
            take_bands(board, seat)
        add_to_word(board + INSIDE, -1)
        idle = 0
    return seen
