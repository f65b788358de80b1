"""Networks compared: what counts, what does not, and which layer is named."""

import pytest

from convscope.core import operators
from convscope.core.convolution import Conv
from convscope.core.network import Graph, Input, Node, Weight
from convscope.core.structural import Add, Flatten
from convscope.importers import network
from convscope.rules.network import Network

BASE = """input 3x8x8
conv1: conv 3x3, 4, padding 1
relu1: relu
conv2: conv 3x3, 4, padding 1
sum: add from conv2, relu1
fc: linear 10
"""


def test_a_network_equals_itself_read_twice():
    assert network(BASE) == network(BASE)
    assert network(BASE).difference(network(BASE)) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("conv1", "features.0"),  # names
        ("relu1: relu\n", "relu1: relu\ndropout 0.3\nidentity\n"),  # nothing at inference
        ("from conv2, relu1", "from relu1, conv2"),  # sums commute
    ],
)
def test_what_does_not_count(before, after):
    changed = BASE.replace(before, after)
    if "dropout" in after:
        changed = changed.replace(
            "conv2: conv 3x3, 4, padding 1", "conv2: conv 3x3, 4, padding 1 from identity1"
        )
    assert changed != BASE
    assert network(BASE) == network(changed)


@pytest.mark.parametrize(
    ("before", "after", "name", "why"),
    [
        ("conv1: conv 3x3, 4, padding 1", "conv1: conv 3x3, 4, padding 1, no bias", "conv1", "no bias"),
        ("relu1: relu", "relu1: tanh", "relu1", "ReLU, not tanh"),
        ("linear 10", "linear 11", "fc", "it gives 4×8×10, not 4×8×11"),
        ("input 3x8x8", "input 3x8x9", "conv1", "it reads 3×8×8, not 3×8×9"),
        ("from conv2, relu1", "from conv2, conv1", "sum", "it reads other layers"),
        ("conv2: conv 3x3, 4, padding 1", "conv2: conv 5x5, 4, padding 2", "conv2", "5×5"),
    ],
)
def test_the_first_layer_that_differs_is_named(before, after, name, why):
    other = network(BASE.replace(before, after))
    found = network(BASE).difference(other)
    assert network(BASE) != other
    assert (found.row.name, found.other.name) == (name, name)
    assert why in found.to_text(width=300)


def test_a_layer_more_is_named_on_either_side():
    longer = network(BASE + "end: relu\n")
    assert network(BASE).difference(longer).row is None
    assert network(BASE).difference(longer).other.name == "end"
    assert longer.difference(network(BASE)).row.name == "end"
    assert "no layer end" in longer.difference(network(BASE)).to_text()


def test_a_layer_that_is_there_twice_is_not_one_that_is_read_twice():
    twice = network("input 4\na: relu\nb: relu from input\nadd from a, b\n")
    once = network("input 4\na: relu\nadd from a, a\n")
    assert twice.difference(once).row.name == "b"
    assert once.difference(twice).other.name == "b"


def test_the_order_of_branches_does_not_count():
    first = "input 3x8x8\na: conv 1x1, 4\nb: conv 3x3, 4, padding 1 from input\nadd from a, b\n"
    other = "input 3x8x8\nb: conv 3x3, 4, padding 1\na: conv 1x1, 4 from input\nadd from a, b\n"
    assert network(first) == network(other)


def test_layers_under_other_names_of_importers():
    conv = Conv(kernel_size=1, out_channels=3, in_channels=3)
    weights = (Weight("w", (3, 3, 1, 1)), Weight("b", (3,)))

    def built(layer, last):
        nodes = (
            Node("c", layer, ("input",), weights=weights),
            Node("s", last[0], ("c", "input")),
            Node("f", last[1], ("s",)),
        )
        return Network(Graph((Input("input", (3, 4, 4)),), nodes))

    written = network("input 3x4x4\nc: conv 1x1, 3\nadd from c, input\nflatten\n")
    recorded = built(conv, (operators.Elementwise("add"), operators.Rearrange("view", (48,))))
    assert written == recorded == built(conv, (Add(), Flatten()))


def test_sharing_of_weights_counts():
    def built(second):
        nodes = (
            Node("a", Conv(kernel_size=1, out_channels=3), ("input",), weights=(Weight("w", (3, 3, 1, 1)),)),
            Node("b", Conv(kernel_size=1, out_channels=3), ("a",), weights=(Weight(second, (3, 3, 1, 1)),)),
        )
        return Network(Graph((Input("input", (3, 4, 4)),), nodes))

    assert built("w") == built("w")
    assert "share" in built("w").difference(built("other")).to_text()


def test_outputs_count():
    nodes = (
        Node("a", Conv(kernel_size=1, out_channels=3), ("input",)),
        Node("b", Conv(kernel_size=3, out_channels=3), ("a",)),
    )
    inputs = (Input("input", (3, 4, 4)),)
    both, last = (Network(Graph(inputs, nodes, outputs)) for outputs in (("a", "b"), ("b",)))
    assert both != last


def test_a_network_is_no_text():
    assert network(BASE) != BASE
