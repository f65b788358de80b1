"""A call like an earlier one goes straight to compiled code, and is refused there where it is not alike."""

from __future__ import annotations

import numpy as np
import pytest

import convscope as cs
from convscope.engine import calls
from convscope.errors import InputError

KERNEL = np.array([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]])


@pytest.fixture(autouse=True)
def _known_calls(monkeypatch):
    monkeypatch.setattr("convscope.engine.execution.PATIENCE", -1.0)
    monkeypatch.setattr("convscope.engine.plan.SMALL_SECONDS", 0.0)
    monkeypatch.setattr(calls, "_calls", {})


def picture(height=80, width=300):
    return np.random.default_rng(3).random((height, width)).astype(np.float32)


def aligned(shape, shift=0):
    """Memory for a result that begins so many bytes behind a cache line."""
    memory = np.zeros(int(np.prod(shape)) * 4 + 128, np.uint8)
    begin = -memory.ctypes.data % 64 + shift
    return memory[begin : begin + int(np.prod(shape)) * 4].view(np.float32).reshape(shape)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_second_call_is_known_and_gives_the_same(threads):
    image, out = picture(), aligned((80, 300))
    wanted = cs.apply(image, KERNEL, threads=threads)
    cs.apply(image, KERNEL, out=out, threads=threads)
    assert len(calls._calls) == 2
    other = picture()[::-1].copy()
    again = cs.apply(other, KERNEL, threads=threads)
    assert not np.array_equal(again, wanted)
    assert np.array_equal(cs.apply(image, KERNEL, out=out, threads=threads), wanted)
    assert np.array_equal(cs.apply(image, KERNEL, threads=threads), wanted)
    assert len(calls._calls) == 2


@pytest.mark.parametrize("threads", [1, 2])
def test_a_result_over_its_picture_is_right_in_a_known_call(threads):
    wanted = cs.apply(picture(), KERNEL, threads=threads)
    cs.apply(picture(), KERNEL, out=aligned((80, 300)), threads=threads)
    assert len(calls._calls) == 2
    for shift in (0, 64, -64):
        memory = aligned((100, 300))
        image = memory[10:90]
        image[...] = picture()
        whole = memory.reshape(-1)
        begin = 3000 + shift // 4
        out = whole[begin : begin + 80 * 300].reshape(80, 300)
        result = cs.apply(image, KERNEL, out=out, threads=threads)
        assert np.array_equal(result, wanted), shift


@pytest.mark.parametrize("threads", [1, 2])
def test_a_result_that_begins_elsewhere_in_a_cache_line_is_right(threads):
    image = np.random.default_rng(4).random((1600, 1024)).astype(np.float32)  # large enough to be streamed
    wanted = cs.apply(image, KERNEL, threads=threads)
    for shift in (0, 4, 0, 32):
        out = aligned(image.shape, shift)
        assert np.array_equal(cs.apply(image, KERNEL, out=out, threads=threads), wanted), shift


def test_a_read_only_result_is_refused_in_a_known_call():
    image, out = picture(), aligned((80, 300))
    cs.apply(image, KERNEL, out=out)
    out.flags.writeable = False
    with pytest.raises(InputError, match="read-only"):
        cs.apply(image, KERNEL, out=out)


def test_turned_pictures_are_known_too():
    image = picture()[::-1, ::-2]
    wanted = cs.apply(image.copy(), KERNEL)
    for _ in range(3):
        assert np.array_equal(cs.apply(image, KERNEL), wanted)
    assert any(key[1] == image.shape and key[2] == image.strides for key in calls._calls)


def test_where_addresses_are_not_known_no_call_is_kept(monkeypatch):
    monkeypatch.setattr(calls, "addresses_are_known", lambda: False)
    image = picture()
    assert np.array_equal(cs.apply(image, KERNEL), cs.apply(image, KERNEL))
    assert calls._calls == {}


def test_an_array_keeps_its_address_behind_its_head():
    assert calls.addresses_are_known()
