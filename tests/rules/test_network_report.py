"""What is shown of a network: shares, totals with what they leave out, fields, memory, findings."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest

import convscope as cs
from convscope.core.document import Explained, Finding, Share, Table
from convscope.core.network import Graph, Input, Node
from convscope.core.operators import Unknown
from convscope.errors import InputError
from convscope.render.facts import to_json
from convscope.rules.network import Network
from convscope.rules.network_report import ALL, PARTS, human

TEXT = "input 3x33x33\nc: conv 3x3, 8, stride 2\nrelu\nflatten\nl: linear 10"


@pytest.fixture(scope="module")
def net() -> Network:
    return cs.network(TEXT)


@pytest.fixture(scope="module")
def partial() -> Network:
    nodes = (
        Node("c", cs.layer("conv 3x3, 4"), ("input",)),
        Node("<b>odd</b>", Unknown("my_op", shape=(4, 5, 5)), ("c",)),
    )
    return Network(Graph((Input("input", (3, 8, 8)),), nodes))


def table(net: Network, part: str) -> Table:
    return next(block for block in net.report(part).document().walk() if isinstance(block, Table))


def test_shares_add_up_to_the_whole(net: Network) -> None:
    shares = [
        [cell[0].part for cell in column if cell]
        for column in list(zip(*table(net, "costs").rows, strict=True))[4::2]
    ]
    assert [sum(column) for column in shares] == [Fraction(1), Fraction(1)]
    assert all(
        isinstance(cell[0], Share) for cell in list(zip(*table(net, "costs").rows, strict=True))[4] if cell
    )


def test_figures_have_their_formulas_at_hand(net: Network) -> None:
    explained = [
        part
        for row in table(net, "costs").rows
        for cell in row
        for part in cell
        if isinstance(part, Explained)
    ]
    assert [part.content for part in explained][:3] == [("8×16×16",), ("224",), ("55,296",)]


def test_totals_say_that_they_are_complete(net: Network, partial: Network) -> None:
    def verdict(network: Network) -> str:
        return next(
            block.kind for block in network.report("costs").document().walk() if isinstance(block, Finding)
        )

    assert verdict(net) == "result"
    assert verdict(partial) == "warning"
    for written in (partial.to_text(), partial.to_markdown(), partial.to_latex(), partial.to_html()):
        assert "Partial" in written
    assert "<b>odd" not in partial.to_html()
    facts = json.loads(to_json(partial.facts(), digits=4))
    assert facts["complete"] is False
    assert facts["not_counted"] == ["<b>odd</b>"]
    assert facts["rows"][1]["params"] is None


def test_facts_re_add_to_the_totals(net: Network) -> None:
    facts = net.facts()
    assert sum(row["params"] for row in facts["rows"]) == facts["totals"]["params"] == net.total_params
    assert sum(row["macs"] for row in facts["rows"]) == facts["totals"]["macs"]
    assert facts["memory"]["inference"]["peak_bytes"] == net.memory().peak_bytes
    assert facts["rows"][0]["receptive_field"]["size"] == [3, 3]


def test_facts_in_letters_are_text() -> None:
    facts = cs.network("input 3xHxW\nconv 3x3, 8").facts()
    assert facts["memory"] is None
    assert facts["rows"][0]["output_shape"][0] == 8
    assert "H" in facts["rows"][0]["output_shape"][1]
    to_json(facts, digits=4)


@pytest.mark.parametrize("part", PARTS)
def test_every_part_can_be_shown_alone(net: Network, part: str) -> None:
    assert net.report(part).document().blocks


def test_unknown_parts_are_refused(net: Network) -> None:
    assert set(ALL) < set(PARTS)
    with pytest.raises(InputError, match=r"^no part of a network is called 'cost'; "):
        net.report("cost")


@pytest.mark.parametrize(
    ("size", "words"), [(1, "1 byte"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (1024**2 * 3 // 2, "1.5 MiB")]
)
def test_bytes_in_words(size: int, words: str) -> None:
    assert human(size) == words


def test_a_sweep_is_a_table_and_a_chart_and_names_who_refuses(net: Network) -> None:
    del net
    found = cs.network("input 3x16x16\nc: conv 5x5, 2").evaluate(H=np.arange(3, 9)).report()
    rows = found.facts()["rows"]
    assert [row["refused_by"] for row in rows] == ["c", "c", None, None, None, None]
    assert [row["total_macs"] for row in rows[2:]] == [150 * n * n for n in (1, 2, 3, 4)]
    assert "2 of 6 sizes are refused" in found.to_text()
    assert "<svg" in found.to_html()
