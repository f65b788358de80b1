"""Facts as JSON: nothing is lost, and the decimals are correct."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest

import convscope as cs
from convscope.errors import UnsupportedError
from convscope.render.facts import exact_text, to_json


def facts(value, digits=4):
    return json.loads(to_json(value, digits=digits))


def test_arrays_of_every_rank_keep_their_shape():
    assert facts({"value": cs.matrix(["1/3", 2])}) == {"value": ["1/3", "2"], "decimal": ["0.3333", "2.0000"]}
    assert facts({"value": cs.matrix([[[1, 2]], [[3, 4]]])})["value"] == [[["1", "2"]], [["3", "4"]]]


def test_an_exact_number_under_another_name_keeps_that_name():
    assert facts({"largest": Fraction(1, 3)}, digits=2) == {"largest": "1/3", "largest_decimal": "0.33"}


def test_letters_have_no_decimals():
    assert facts({"value": cs.matrix("a 1")}) == {"value": [["a", "1"]], "decimal": [[None, "1.0000"]]}


def test_numbers_inside_a_formula_are_never_rounded():
    tiny = cs.solve("1/12345", cs.Sigmoid()).value[0, 0]
    assert exact_text(tiny) == "σ((1/12345))"
    assert "12345" in exact_text(cs.solve("a", cs.Conv("1/12345")).value[0, 0])


def test_plain_values_pass_through():
    plain = {"a": None, "b": True, "c": np.int64(3), "d": (1, 2), "e": [{"f": "λ"}], "g": []}
    assert facts(plain) == {"a": None, "b": True, "c": 3, "d": [1, 2], "e": [{"f": "λ"}], "g": []}


def test_rows_have_a_line_each():
    written = to_json({"value": cs.matrix("1 2; 3 4")}, digits=0)
    assert '    ["1", "2"],\n    ["3", "4"]\n' in written


def test_what_is_no_fact_is_refused():
    with pytest.raises(UnsupportedError, match=r"^a complex cannot be written as JSON"):
        to_json({"a": 0.1j}, digits=4)


def test_measured_figures_are_numbers():
    plain = {"a": 0.25, "b": np.float32(0.5), "c": float("nan"), "d": [float("-inf")]}
    assert facts(plain) == {"a": 0.25, "b": 0.5, "c": None, "d": [None]}
