"""The numbers that compiled code is told about a picture: which place of its table holds what."""

from __future__ import annotations

# Places in the table of a run, all int64; steps are in bytes, lengths in pixels unless said.
(
    SRC_ROW,  # from one picture row to the next
    SRC_PIXEL,
    SRC_CHANNEL,
    SRC_SIZE,  # bytes of one number of the picture
    CHANNELS,
    WIDTH,  # of the picture
    PAD_LEFT,  # border pixels before it
    MAPPED_ROWS,  # rows of the picture with its border
    OUT_WIDTH,
    STEP_Y,  # stride
    STEP_X,
    EXTENT_Y,  # of the kernel, gaps of dilation counted
    EXTENT_X,
    DST_ROW,
    DST_KERNEL,  # from one kernel's result to the next
    DST_SIZE,
    TILE_HEIGHT,  # output rows
    TILE_WIDTH,  # output pixels
    KERNELS,
    STREAM,  # 1: results are written past the caches
    SAME,  # 1: results have the type of the sums, and every sum is a result
    PLAIN,  # 1: and as they are: they may be written at once
    SCRATCH_ROW,  # of the tile with its border
    SUMS_ROW,  # of the sums
    SUMS_AT,  # where the sums begin in the scratch memory
    MIDDLE_ROW,  # of the rows between the vertical and the horizontal pass
    MIDDLE_AT,
    MIDDLE_TERM,  # from one term's rows to the next
    COLUMN_AT,  # where window sums of one block column are made
    LINE_AT,  # where window sums of one row are made
    LOW_AT,  # the second of three rows for that
    TAP_STEP,  # from one tap to its right neighbour
    GROUP,  # output rows between the vertical pass and the horizontal one
    FIRST_ROW,  # of a part of a picture, in the whole
    AHEAD,  # 1: the picture is larger than the caches, and the next tile is fetched during work on this one
    ALIKE,  # 1: every number of the border is the fill value
    LENGTH,
) = range(37)

# Places in the job, the one table that a tile function is given: where the others lie, and how long they are.
(
    SIZES,
    KERNEL_TABLE,  # 8 numbers a kernel
    TERM_TABLE,  # 10 numbers a term
    TERMS,
    FACTORS,
    WEIGHTS,
    WEIGHT_COUNT,
    OFFSETS,
    OFFSET_COUNT,
    ROW_MAP,
    COLUMN_MAP,
    FILL,  # where the border's value lies
    WORK_SIZE,  # bytes of one sum
    JOB_LENGTH,
) = range(14)
KERNEL_WORDS, TERM_WORDS = 8, 10

# How the vertical pass of a term, or a whole kernel, adds its taps.
DENSE, TAPS, RUNS = range(3)
