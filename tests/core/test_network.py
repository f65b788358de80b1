from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convscope.core.network import MAX_LENGTH, MAX_NAME, MAX_NODES, Graph, Input, Node
from convscope.core.pointwise import ReLU
from convscope.core.structural import Add
from convscope.errors import InputError, ShapeError

IMAGE = Input("image", (3, 8, 8))


def relu(name: str, *reads: str) -> Node:
    return Node(name, ReLU(), reads)


def refusal(*nodes: Node, inputs: tuple[Input, ...] = (IMAGE,), outputs: tuple[str, ...] = ()) -> str:
    with pytest.raises(InputError) as caught:
        Graph(inputs, nodes, outputs)
    return str(caught.value)


def test_a_chain_keeps_its_order_and_ends_in_its_last_layer() -> None:
    graph = Graph((IMAGE,), (relu("a", "image"), relu("b", "a")))
    assert [node.name for node in graph.nodes] == ["a", "b"]
    assert graph.outputs == ("b",)
    assert graph.is_chain


def test_a_branch_is_no_chain_and_every_layer_that_none_reads_is_an_output() -> None:
    graph = Graph((IMAGE,), (relu("a", "image"), relu("b", "image"), relu("c", "a")))
    assert not graph.is_chain
    assert graph.outputs == ("b", "c")
    assert Graph((IMAGE,), graph.nodes, ("a",)).outputs == ("a",)


@given(st.integers(min_value=1, max_value=30), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_nodes_in_any_order_come_after_what_they_read(count: int, chance: random.Random) -> None:
    nodes = []
    for number in range(count):
        reads = {"image", *(f"n{chance.randrange(number)}" for _ in range(2) if number)}
        nodes.append(Node(f"n{number}", Add(), tuple(sorted(reads))))
    chance.shuffle(nodes)
    graph = Graph((IMAGE,), tuple(nodes))
    seen = {"image"}
    for node in graph.nodes:
        assert set(node.inputs) <= seen
        seen.add(node.name)
    assert len(graph.nodes) == count


def test_an_order_that_is_right_is_kept() -> None:
    nodes = (relu("z", "image"), relu("a", "image"), Node("m", Add(), ("a", "z")), relu("b", "image"))
    assert Graph((IMAGE,), nodes).nodes == nodes


def test_a_name_that_is_used_twice_is_refused_with_both_places() -> None:
    first, second = Node("a", ReLU(), ("image",), "line 2"), Node("a", ReLU(), ("image",), "line 5")
    assert refusal(first, second) == "layer 'a' (line 5): the name 'a' is used twice; line 2 has it too"
    assert refusal(relu("image", "image")) == "layer 'image': the name 'image' is used twice"
    assert refusal(relu("a", "image"), inputs=(IMAGE, IMAGE)) == "the name 'image' is used twice"


def test_an_unknown_source_is_refused_with_the_nearest_name() -> None:
    told = refusal(relu("conv1", "image"), relu("b", "cnv1"))
    assert told.startswith("layer 'b': it reads 'cnv1', which is not there; did you mean 'conv1'?")


def test_an_unknown_output_is_refused() -> None:
    assert refusal(relu("a", "image"), outputs=("b",)).startswith(
        "the output 'b' is not there; known: image, a"
    )


def test_a_message_lists_few_of_many_names() -> None:
    nodes = [relu(f"layer{n}", "image") for n in range(5000)]
    told = refusal(*nodes, relu("b", "layr7"))
    assert "did you mean 'layer7'?" in told
    assert told.endswith(" more")
    assert len(told) < 300


@pytest.mark.parametrize(
    ("nodes", "told"),
    [
        ([relu("a", "a")], "layer 'a': it reads itself: a ← a"),
        ([relu("a", "b"), relu("b", "a")], "layer 'a': it reads itself: a ← b ← a"),
        (
            [relu("x", "image"), relu("a", "c"), relu("b", "a"), relu("c", "b")],
            "layer 'a': it reads itself: a ← c ← b ← a",
        ),
    ],
)
def test_a_cycle_is_refused_and_shown(nodes: list[Node], told: str) -> None:
    assert refusal(*nodes) == told


def test_a_long_cycle_is_shown_in_part() -> None:
    nodes = [relu(f"n{n}", f"n{(n + 1) % 1000}") for n in range(1000)]
    told = refusal(*nodes)
    assert "…" in told
    assert len(told) < 200


def test_a_network_has_inputs_and_layers() -> None:
    assert refusal() == "a network needs at least one layer"
    assert refusal(relu("a", "image"), inputs=()) == "a network needs at least one input"
    with pytest.raises(InputError, match=r"^layer 'a' \(line 3\): it reads nothing"):
        Node("a", ReLU(), (), "line 3")


@pytest.mark.parametrize("name", ["", "a\nb", "a\x1b[31mb", "\u202eevil", "x" * (MAX_NAME + 1)])
def test_a_name_that_cannot_be_shown_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"^the name "):
        relu(name, "image")
    with pytest.raises(InputError, match=r"^the name "):
        Input(name, (1,))


@pytest.mark.parametrize("name", ["<script>", "$x$", r"\input", "a_b|c`d", "größe", "层"])
def test_markup_is_a_name_like_any_other(name: str) -> None:
    assert Graph((IMAGE,), (relu(name, "image"),)).outputs == (name,)


def test_a_name_is_text() -> None:
    with pytest.raises(InputError, match=r"^the name 3 of a layer is not text"):
        Node(3, ReLU(), ("image",))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        ((), "input 'x' has 0 axes"),
        ((1,) * 9, "input 'x' has 9 axes"),
        ((3, 0, 8), "input 'x' has axes of 3×0×8 cells; a length may be 1 to"),
        ((3, -8), "input 'x' has axes of 3×-8 cells"),
        ((MAX_LENGTH + 1,), "input 'x' has axes of"),
        ((2.5,), "input 'x' has an axis of 2.5 cells"),
        ((True,), "input 'x' has an axis of True cells"),
    ],
)
def test_a_shape_no_array_has_is_refused(shape: tuple[int, ...], told: str) -> None:
    with pytest.raises(ShapeError) as caught:
        Input("x", shape)
    assert str(caught.value).startswith(told)


def test_networks_are_equal_when_they_are_the_same_network() -> None:
    here = Graph((IMAGE,), (Node("a", ReLU(), ("image",), "line 2"),), name="one")
    there = Graph((IMAGE,), (Node("a", ReLU(), ("image",), "line 9"),), name="other")
    assert here == there
    assert here != Graph((IMAGE,), (relu("b", "image"),))


def test_a_network_of_too_many_layers_is_refused() -> None:
    node = relu("a", "image")
    told = refusal(*([node] * (MAX_NODES + 1)))
    assert told == f"the network has {MAX_NODES + 1} layers; at most {MAX_NODES} are read"


def test_ordering_takes_linear_time_and_no_recursion() -> None:
    """A chain given backwards, so that every layer waits for the next."""
    count = 40_000
    nodes = tuple(relu(f"n{n}", f"n{n + 1}" if n < count else "image") for n in range(count + 1))
    graph = Graph((IMAGE,), nodes)
    assert (graph.nodes[0].name, graph.nodes[-1].name) == (f"n{count}", "n0")
    # It takes 0.2 s; comparing every pair of layers would take minutes.
