from __future__ import annotations

from pathlib import Path

import pytest

from convscope.core.convolution import Conv
from convscope.core.document import Hidden, Section, Table
from convscope.core.layer import Layer
from convscope.core.network import Graph, Input, Node
from convscope.core.pointwise import ReLU
from convscope.core.pooling import MaxPool
from convscope.core.structural import Add, Concat, Flatten
from convscope.errors import InputError, ShapeError, UnsupportedError
from convscope.importers import network
from convscope.rules.network import Network
from convscope.rules.network_document import SHOWN_LAYERS

ALEXNET = Path(__file__).parents[2] / "examples" / "alexnet.txt"
# Problem 1.5: the sizes after convolutions, pools and linear layers.
ALEXNET_SIZES = {
    "conv1": (96, 55, 55),
    "pool1": (96, 27, 27),
    "conv2": (256, 27, 27),
    "pool2": (256, 13, 13),
    "conv3": (384, 13, 13),
    "conv4": (384, 13, 13),
    "conv5": (256, 13, 13),
    "pool5": (256, 6, 6),
    "flatten1": (9216,),
    "fc6": (4096,),
    "fc7": (4096,),
    "fc8": (1000,),
}


def chain(*layers: Layer, shape: tuple[int, ...] = (3, 32, 32), name: str = "") -> Network:
    names = ["input", *(f"layer{n}" for n in range(1, len(layers) + 1))]
    nodes = [Node(own, layer, (read,)) for own, read, layer in zip(names[1:], names, layers, strict=False)]
    return Network(Graph((Input("input", shape),), tuple(nodes), name=name))


@pytest.fixture(scope="module")
def alexnet() -> Network:
    return network(ALEXNET)


@pytest.fixture
def branched() -> Network:
    conv = Conv(kernel_size=3, out_channels=8, padding=1)
    return Network(
        Graph(
            (Input("a", (3, 8, 9)), Input("b", (8, 8, 9))),
            (
                Node("conv", conv, ("a",)),
                Node("sum", Add(), ("conv", "b")),
                Node("both", Concat(), ("sum", "a")),
                Node("pool", MaxPool(2), ("both",)),
            ),
        )
    )


def test_the_sizes_of_alexnet(alexnet: Network) -> None:
    assert {name: alexnet[name].output_shape for name in ALEXNET_SIZES} == ALEXNET_SIZES


def test_alexnet_shows_each_formula_filled_in(alexnet: Network) -> None:
    told = alexnet.report("sizes", "derivations").to_text(width=140)
    for formula in (
        "⌊(227 + 2·0 − 11)/4⌋ + 1 = 55",
        "⌊(55 + 2·0 − 3)/2⌋ + 1 = 27",
        "⌊(27 + 2·2 − 5)/1⌋ + 1 = 27",
        "⌊(13 + 2·1 − 3)/1⌋ + 1 = 13",
        "⌊(13 + 2·0 − 3)/2⌋ + 1 = 6",
        "256 × 6 × 6 = 9216",
    ):
        assert formula in told
    assert "drops" not in told  # every one of these floors is exact


def test_the_floor_is_shown_where_it_bites() -> None:
    told = chain(Conv(kernel_size=11, out_channels=64, stride=4, padding=2), shape=(3, 224, 224)).to_text()
    assert "⌊(224 + 2·2 − 11)/4⌋ + 1 = ⌊54.25⌋ + 1 = 55" in told
    assert "The floor drops 1 cell at the end of the axis" in told


def test_a_row_holds_facts(alexnet: Network) -> None:
    row = alexnet["pool1"]
    assert (row.name, row.op, row.inputs) == ("pool1", "max pooling", ("relu1",))
    assert (row.input_shapes, row.output_shape) == (((96, 55, 55),), (96, 27, 27))
    assert row.layer == MaxPool((3, 3), 2)
    assert row.words == "max pooling 3×3, stride 2"


def test_rows_are_in_order_and_can_be_counted_and_iterated(alexnet: Network) -> None:
    assert [row.name for row in alexnet][:3] == ["conv1", "relu1", "pool1"]
    assert len(alexnet) == len(alexnet.rows) == 20
    assert "conv1" in alexnet
    assert "conv9" not in alexnet
    assert repr(alexnet) == "<Network alexnet: 20 layers>"


def test_a_row_is_explained_on_its_own(alexnet: Network) -> None:
    derivation = alexnet["conv1"].explain()
    assert derivation.value == (96, 55, 55)
    told = derivation.to_text(width=120)
    assert told.startswith("Output shape, cost and receptive field of conv1, convolution 11×11, 96 channels")
    assert "Reads input: 3 × 227 × 227." in told
    assert "n_out = ⌊(n + 2·p − k)/s⌋ + 1 = ⌊(227 + 2·0 − 11)/4⌋ + 1 = ⌊54⌋ + 1 = 55" in told
    assert "Output shape: 96 × 55 × 55." in told
    assert "params = C_out·C_in·k_height·k_width + C_out = 96·3·11·11 + 96 = 34944" in told
    assert "MACs = C_out·H_out·W_out·C_in·k_height·k_width = 96·55·55·3·11·11 = 105415200" in told


def test_a_name_that_is_not_there_is_met_with_the_nearest(alexnet: Network) -> None:
    with pytest.raises(InputError, match=r"^no layer is called 'conv11'; did you mean 'conv1'\?"):
        alexnet["conv11"]
    with pytest.raises(InputError, match=r"^no layer is called 3"):
        alexnet[3]  # type: ignore[index]


def test_branches_are_joined(branched: Network) -> None:
    assert branched["both"].output_shape == (11, 8, 9)
    assert branched["pool"].output_shape == (11, 4, 4)
    assert branched["sum"].input_shapes == ((8, 8, 9), (8, 8, 9))
    told = branched.report("sizes", "derivations").to_text(width=140)
    assert "Input a: 3 × 8 × 9 (channels, height and width)." in told
    assert "conv, b" in told
    assert "Reads sum: 8 × 8 × 9 and a: 3 × 8 × 9." in told
    assert "8 + 3 = 11" in told
    assert "⌊(8 + 2·0 − 2)/2⌋ + 1 = 4; ⌊(9 + 2·0 − 2)/2⌋ + 1 = 4" in told


def test_only_networks_with_branches_tell_what_is_read(alexnet: Network, branched: Network) -> None:
    def heads(net: Network) -> list[str]:
        (table,) = (block for block in net.report("sizes").document().blocks if isinstance(block, Table))
        return [str(head[0]) for head in table.columns]

    assert heads(alexnet) == ["name", "layer", "output", "how"]
    assert heads(branched) == ["name", "reads", "layer", "output", "how"]


def test_an_error_is_led_by_the_layer_and_its_place() -> None:
    node = Node("conv3", Conv(kernel_size=3, out_channels=8, groups=4), ("input",), "line 7")
    with pytest.raises(ShapeError) as caught:
        Network(Graph((Input("input", (6, 8, 8)),), (node,)))
    assert str(caught.value) == (
        "layer 'conv3' (line 7): Conv: in_channels=6 is not divisible by groups=4; groups may be 1, 2"
    )


def test_a_layer_without_a_rule_is_named() -> None:
    class Unheard(Layer):
        title = "unheard of"

    with pytest.raises(UnsupportedError, match=r"^layer 'layer2': no shape rule for Unheard; known: "):
        chain(ReLU(), Unheard())


def test_networks_are_equal_by_what_they_are() -> None:
    one, other = chain(ReLU(), MaxPool(2)), chain(ReLU(), MaxPool(2), name="other")
    assert one == other
    assert one != chain(ReLU(), MaxPool(3))
    assert one != "network"


def test_layers_that_keep_the_shape_have_no_section_of_their_own(alexnet: Network) -> None:
    titles = [
        str(block.title)
        for block in alexnet.report("derivations").document().blocks
        if isinstance(block, Section)
    ]
    assert len(titles) == len(ALEXNET_SIZES)
    assert not any("relu" in title for title in titles)


@pytest.mark.parametrize("extra", [0, 1, 500])
def test_a_long_network_is_cut_in_the_middle_and_says_so(extra: int) -> None:
    net = chain(*[Conv(kernel_size=1, out_channels=4)] * (SHOWN_LAYERS + extra))
    blocks = net.report("sizes", "derivations").document().blocks
    hidden = [block for block in blocks if isinstance(block, Hidden)]
    assert [block.count for block in hidden] == ([extra, extra] if extra else [])
    assert sum(len(block.rows) for block in blocks if isinstance(block, Table)) == SHOWN_LAYERS
    assert sum(isinstance(block, Section) for block in blocks) == SHOWN_LAYERS
    told = net.report("sizes", "derivations").to_text()
    assert f"layer{SHOWN_LAYERS + extra}" in told
    if extra:
        assert f"net['layer{(SHOWN_LAYERS + extra) // 2 + 1}'].explain()" in " ".join(told.split())


def test_a_network_without_windows_needs_no_legend() -> None:
    assert "Here" not in chain(Flatten(), ReLU(), shape=(4,)).to_text()


HOSTILE = ["<script>alert(1)</script>", r"\input{x}", "$x$", "a|b_c", "`code`", "![](x.png)", "#set page()"]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_shown_literally(name: str) -> None:
    net = Network(Graph((Input(name, (3, 8, 8)),), (Node(f"{name}2", Flatten(), (name,)),), name=name))
    assert f"{name}2" in net.to_text(width=200)
    assert "<script>alert" not in net.to_html()
    assert r"\input{" not in net.to_latex()
