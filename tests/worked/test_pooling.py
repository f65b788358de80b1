"""Pools by hand: ties, windows over the border, and windows that hold nothing."""

import pytest

import convscope as cs


@pytest.mark.parametrize("pool", [cs.MaxPool, cs.AvgPool])
def test_a_window_without_a_cell_of_the_input_is_refused(pool):
    with pytest.raises(cs.ShapeError, match=f"layer 1: {pool.__name__}: window 0 along axis 0 holds no cell"):
        cs.solve("5 6; 7 8", pool(2, padding=1, dilation=3))


def test_a_tie_names_every_winner():
    told = cs.solve("3 1; 3 2", cs.MaxPool(2)).stages[0].cell(0, 0).to_text()
    assert "(0, 0), (1, 0) all hold the largest value" in told
