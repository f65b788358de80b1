"""What recording a PyTorch module leaves behind, what it refuses, and how it is called."""

# ruff: noqa: ARG005, S311 - forwards and hooks have signatures of their own

from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

import convscope as cs
from networks.torch_odd import ODD, Body

# --- what is left as it was -------------------------------------------------------------------


class Busy(nn.Module):
    """Does everything to itself that a forward can."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.drop = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5)
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))
        self.register_buffer("cache", torch.zeros(2, 4))
        self.plain, self.seen, self.table = torch.ones(3), [], {}
        self.spectral = nn.utils.parametrizations.spectral_norm(nn.Linear(4, 4))
        self.conv.register_forward_hook(lambda module, args, output: None)

    def forward(self, x):
        self.calls += 1
        self.plain.mul_(2)
        self.seen.append(x)
        self.table["x"] = x
        self.count = getattr(self, "count", 0) + 1
        x = (
            self.drop(self.norm(self.conv(x))) * random.random()
            + torch.rand(1)
            + torch.rand_like(x[:, :1, :1, :1])
        )
        self.cache[0] = x.mean((0, 2, 3))
        self.conv.weight.data.mul_(0.5)
        self.norm.bias.data = self.norm.bias.data + 1
        self.conv.weight.requires_grad_(requires_grad=False)
        self.last = x
        self.norm.eval()
        self.conv.register_forward_hook(lambda module, args, output: None)
        self.extra = nn.Linear(4, 4)
        torch.set_grad_enabled(False)
        if x.shape[-1] > 100:
            raise RuntimeError("too wide")
        return self.spectral(x.mean((2, 3))) + self.cache.sum()


def state_of(module):
    hooks = torch.nn.modules.module
    parts = dict(module.named_modules())
    return {
        "tensors": {
            n: (id(t), t.data_ptr(), t.clone()) for n, t in module.state_dict(keep_vars=True).items()
        },
        "flags": {n: p.requires_grad for n, p in module.named_parameters()},
        "modes": {n: part.training for n, part in parts.items()},
        "attributes": {n: {k: id(v) for k, v in vars(part).items()} for n, part in parts.items()},
        "hooks": {n: list(part._forward_hooks) for n, part in parts.items()},
        "global hooks": (list(hooks._global_forward_hooks), list(hooks._global_forward_pre_hooks)),
        "plain": (module.plain.tolist(), list(module.seen), dict(module.table)),
        "random": (torch.get_rng_state(), random.getstate(), np.random.get_state()[1]),  # noqa: NPY002
        "grad": torch.is_grad_enabled(),
    }


def assert_same(a, b):
    assert type(a) is type(b)
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b)
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            assert_same(one, other)
    elif hasattr(a, "tolist"):
        assert a.tolist() == b.tolist()
    else:
        assert a == b


@pytest.mark.parametrize("size", [9, 200])
@pytest.mark.parametrize("training", [True, False, None])
def test_the_module_is_left_as_it_was(size, training):
    module = Busy()
    before = state_of(module)
    if size > 100:
        with pytest.raises(cs.InputError, match="too wide"):
            cs.network(module, (3, size, size), training=training)
    else:
        net = cs.network(module, (3, size, size), training=training)
        assert net.total_params == sum(p.numel() for p in module.parameters())
    assert_same(before, state_of(module))


def test_a_real_run_would_not_pass_that_test():
    module = Busy()
    before = state_of(module)
    module(torch.rand(2, 3, 9, 9))
    torch.set_grad_enabled(True)
    with pytest.raises(AssertionError):
        assert_same(before, state_of(module))


def test_weights_of_any_size_cost_nothing():
    with torch.device("meta"):
        module = nn.Sequential(nn.Linear(200_000, 200_000), nn.ReLU(), nn.Linear(200_000, 10**6))
    net = cs.network(module, (200_000,))
    assert net.total_params == 200_000**2 + 200_000 + 200_000 * 10**6 + 10**6


# --- hostile forwards -------------------------------------------------------------------------


def value_read(m, x):
    if m.conv(x).sum() > 0:
        return x
    return -x


FAILURES = {
    "a value is read": (value_read, {"conv": nn.Conv2d(3, 3, 1)}, "in the module .*reads the values"),
    "a mask picks": (lambda m, x: x[x > 0], {}, "in the module .*reads the values"),
    "as numpy": (lambda m, x: x.cpu().numpy(), {}, "in the module .*without values"),
    "as a list": (lambda m, x: x.tolist(), {}, "in the module .*without values"),
    "channels": (
        lambda m, x: m.conv(x),
        {"conv": nn.Conv2d(5, 3, 1)},
        "in 'conv' .*: the weights are for 5 input",
    ),
    "nothing returned": (lambda m, x: None, {}, "returned no tensor"),
    "not its own": (lambda m, x: torch.ones(3), {}, "returned no tensor"),
    "raises": (
        lambda m, x: 1 // 0,
        {},
        r"in the module \(test_torch_\w+.py, line \d+\): .*ZeroDiv",
    ),
    "endless": (lambda m, x: m.function(m, x), {}, "RecursionError"),
    "too many": (lambda m, x, y: x, {}, "TypeError"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_what_cannot_be_recorded_is_one_clear_error(name):
    forward, parts, message = FAILURES[name]
    with pytest.raises(cs.InputError, match=message) as caught:
        cs.network(Body(forward, **parts), (3, 4, 4))
    assert "\n" not in str(caught.value)
    assert not torch.nn.modules.module._global_forward_hooks


def test_text_networks_do_not_load_torch():
    code = (
        "import sys, convscope as cs; cs.network('input 3x9x9\\nconv 3x3, 4'); print('torch' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert told.stdout == "False\n"


def test_odd_names_are_shown_on_one_line():
    module = nn.Sequential()
    module.add_module("<script>\n\x1b[31m" + "x" * 300, nn.ReLU())
    (row,) = cs.network(module, (3,))
    assert row.name.isprintable()
    assert len(row.name) <= 200


def test_lazy_modules_are_refused():
    with pytest.raises(cs.InputError, match=r"'weight' has no shape yet"):
        cs.network(nn.LazyLinear(3), (3,))


# --- what it is called with -------------------------------------------------------------------


def test_inputs_by_shape_example_and_name():
    make, _shapes = ODD["mixed"]
    module = make()
    nets = [
        cs.network(module, ((4,), (3,))),
        cs.network(module, [(4,), (3,)]),
        cs.network(module, inputs=(torch.rand(1, 4), torch.rand(1, 3))),
        cs.network(module, inputs=(torch.rand(8, 4), torch.rand(8, 3))),
    ]
    assert all(net == nets[0] for net in nets)
    assert [entry.shape for entry in nets[0].graph.inputs] == [(4,), (3,)]
    named = cs.network(ODD["attended by name"][0](), ODD["attended by name"][1])
    assert [entry.name for entry in named.graph.inputs] == ["query", "memory", "mask"]
    assert cs.network(nn.Linear(3, 4), torch.rand(5, 3)).graph.inputs[0].name == "input"
    by_position = cs.network(nn.LSTM(4, 5), inputs=torch.rand(7, 2, 4))
    assert by_position.rows[0].output_shape == (7, 2, 5)  # positions come first: no items to leave out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give input_shape"),
        ({"input_shape": (3,), "inputs": torch.rand(3)}, "give input_shape"),
        ({"input_shape": (0, 3)}, r"input_shape \(0, 3\)"),
        ({"input_shape": "3x4"}, "input_shape '3x4'"),
        ({"input_shape": (3.5,)}, "input_shape"),
        ({"input_shape": (10**12,) * 8}, "too large"),
        ({"inputs": 3}, "inputs is a int"),
        ({"inputs": ()}, "no tensor among the inputs"),
    ],
)
def test_inputs_that_cannot_be(options, message):
    with pytest.raises(cs.InputError, match=message):
        cs.network(nn.ReLU(), **options)


def test_a_batch_axis_given_by_mistake_is_told():
    with pytest.raises(cs.ShapeError, match="without the batch axis"):
        cs.network(nn.Conv2d(3, 4, 3), (1, 3, 9, 9))


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_wrapped_modules_are_looked_into():
    inner = nn.Conv2d(3, 4, 3)
    assert cs.network(nn.DataParallel(inner), (3, 9, 9)) == cs.network(inner, (3, 9, 9))
    compiled = Body(lambda m, x: m.fast(x), fast=torch.compile(inner))
    assert cs.network(compiled, (3, 9, 9)).total_macs == 4 * 49 * 27
    assert cs.network(torch.compile(inner), (3, 9, 9)) == cs.network(inner, (3, 9, 9))
    scripted = cs.network(torch.jit.script(nn.Sequential(inner, nn.ReLU())), (3, 9, 9))
    assert [row.output_shape for row in scripted] == [(4, 7, 7)] * 2
