"""A probe against a plain autograd loop and exact statistics, and the model left as it was."""

from __future__ import annotations

import copy
import math
import random

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

import convscope as cs  # noqa: E402
from convscope.errors import InputError, UnsupportedError  # noqa: E402
from probing import nets  # noqa: E402

GREY = nets.digits_like(1, 8, 16, 3)
COLOUR = nets.digits_like(3, 32, 4, 2)
CLOSE = {"rel": 1e-6, "abs": 1e-12}


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


MODELS = {
    "cnn": (nets.cnn, GREY),
    "resnet": (nets.ResNet, COLOUR),
    "in place": (nets.VGG, COLOUR),
    "functional": (nets.Functional, GREY),
    "encoder": (nets.Encoder, GREY),
    "gru": (nets.Recurrent, GREY),
    "lstm": (lambda: nets.Recurrent(nn.LSTM), GREY),
    "branched": (nets.Branched, GREY),
}


@pytest.mark.parametrize("name", MODELS)
def test_gradients_are_those_of_a_plain_loop(name):
    make, data = MODELS[name]
    model = make()
    norms: dict[str, list[float]] = {}
    state = torch.get_rng_state()
    plain = copy.deepcopy(model)
    for x, y in data:
        plain.zero_grad(set_to_none=True)
        functional.cross_entropy(plain(x), y).backward()
        for path, p in plain.named_parameters():
            norms.setdefault(path, []).append(float(p.grad.double().norm()))
    torch.set_rng_state(state)
    report = cs.probe(model, data)
    rows = {p.name: p for row in report for p in row.parameters}
    assert set(rows) == set(norms)
    for path, values in norms.items():
        assert rows[path].gradient_norm == pytest.approx(np.mean(values), **CLOSE), path
    for row in report:
        if row.parameters:
            each = [
                math.hypot(*batch) for batch in zip(*(norms[p.name] for p in row.parameters), strict=True)
            ]
            assert row.gradient_norm == pytest.approx(np.mean(each), **CLOSE)


def test_gradients_by_outputs_are_those_of_a_plain_loop():
    model, (x, y) = nets.VGG().eval(), COLOUR[0]
    report = cs.probe(model, [(x, y)])
    value, wanted = x, {}
    for name, layer in [*model.features.named_children()]:
        value = torch.relu(value) if isinstance(layer, nn.ReLU) else layer(value)
        value.retain_grad()
        wanted[f"features.{name}"] = value
    functional.cross_entropy(model.classifier(value.flatten(1)), y).backward()
    for name, tensor in wanted.items():
        assert report[name].output_gradient_norm == pytest.approx(float(tensor.grad.norm()), rel=1e-5), name


def test_statistics_are_exact():
    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.Tanh(), nn.Conv2d(8, 8, 3), nn.ReLU())
    with torch.no_grad():
        model[0].weight.mul_(6)
    data = [x for x, _y in GREY]
    report = cs.probe(model, data)
    with torch.no_grad():
        values = [torch.cat([model[: n + 1](x) for x in data]).double() for n in range(4)]
    for n, value in enumerate(values):
        assert report[str(n)].mean == pytest.approx(float(value.mean()), rel=1e-5, abs=1e-7)
        assert report[str(n)].sigma == pytest.approx(float(value.std(unbiased=False)), rel=1e-5)
    tanh, relu = values[1], values[3]
    assert report["1"].saturated == pytest.approx(float((tanh.abs() > 0.97).double().mean()))
    assert report["1"].slope == pytest.approx(float((1 - tanh**2).mean()), rel=1e-5)
    assert report["3"].slope == pytest.approx(float((relu > 0).double().mean()), rel=1e-6)
    assert report["3"].dead_units == int((relu.amax((0, 2, 3)) <= 0).sum())
    assert report["3"].units == 8


@pytest.mark.parametrize(
    "act",
    [nn.ReLU6(), nn.LeakyReLU(0.3), nn.Sigmoid(), nn.Tanh(), nn.Hardtanh(), nn.Hardsigmoid(),
     nn.Softsign(), nn.GELU(), nn.SiLU(), nn.Mish(), nn.Hardswish(), nn.ELU(0.5),
     nn.SELU(), nn.CELU(), nn.Softplus(), nn.LogSigmoid(),
     nn.PReLU(), nn.SiLU(inplace=True), nn.ReLU(inplace=True), nn.Hardtanh(-2, 2)],
    ids=str,
)  # fmt: skip
def test_the_mean_slope_is_the_derivative(act):
    model = nn.Sequential(nn.Linear(16, 32), act)
    with torch.no_grad():
        model[0].weight.mul_(5)
    x = torch.randn(64, 16)
    report = cs.probe(model, [x])
    before = model[0](x).detach().requires_grad_()
    (slope,) = torch.autograd.grad(act(before * 1.0).sum(), before)
    assert report["1"].slope == pytest.approx(float(slope.abs().mean()), rel=1e-4)


def test_the_effective_rank_is_that_of_the_covariance():
    model = nn.Sequential(nn.Linear(16, 24), nn.Tanh())
    data = [torch.randn(100, 16) @ torch.diag(torch.logspace(0, -2, 16)) for _ in range(4)]
    report = cs.probe(model, data)
    outputs = torch.cat([model[0](x) for x in data]).detach().double().numpy()
    variances = np.sort(np.linalg.eigvalsh(np.cov(outputs.T)))[::-1]
    wanted = int(np.searchsorted(np.cumsum(variances) / variances.sum(), 0.99)) + 1
    assert (report["0"].rank, report["0"].rank_of) == (wanted, 24)
    assert 0 < report["0"].rank_share < 1


def test_the_update_is_the_step_that_the_optimiser_takes():
    for make in (
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=1e-3),
        lambda p: torch.optim.Adam(p, lr=1e-3),
        lambda p: torch.optim.AdamW(p, lr=1e-3),
        torch.optim.RMSprop,
        torch.optim.Adagrad,
    ):
        model = nets.cnn()
        optimiser = make(model.parameters())
        scheduler = torch.optim.lr_scheduler.StepLR(optimiser, 1)
        for x, y in GREY[:2]:  # so that there is a state
            optimiser.zero_grad()
            functional.cross_entropy(model(x), y).backward()
            optimiser.step()
        scheduler.step()
        state = copy.deepcopy(optimiser.state_dict())
        report = cs.probe(model, GREY[:1], optimiser=optimiser)
        assert same(state, optimiser.state_dict())
        before = {n: p.detach().clone() for n, p in model.named_parameters()}
        optimiser.zero_grad()
        functional.cross_entropy(model(GREY[0][0]), GREY[0][1]).backward()
        optimiser.step()
        for row in report:
            for p in row.parameters:
                step = model.get_parameter(p.name).detach() - before[p.name]
                assert p.update_norm == pytest.approx(float(step.norm()), rel=1e-5, abs=1e-9)


# --- nothing changes --------------------------------------------------------------------------


def same(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def everything(model):
    return {
        "state": {k: v.clone() for k, v in model.state_dict().items()},
        "grads": {n: None if p.grad is None else p.grad.clone() for n, p in model.named_parameters()},
        "ids": [id(t) for t in (*model.parameters(), *model.buffers())],
        "flags": [p.requires_grad for p in model.parameters()],
        "modes": [m.training for m in model.modules()],
        "hooks": [
            [dict(getattr(m, name)) for name in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")]
            for m in model.modules()
        ],
        "random": (torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()),  # noqa: NPY002
        "names": [sorted(vars(m)) for m in model.modules()],
    }


class Restless(nn.Module):
    """Draws random numbers, writes to its weights and attributes, and counts its calls."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.Dropout(), nn.ReLU())
        self.fc = nn.utils.parametrizations.spectral_norm(nn.Linear(8 * 36, 10))
        self.register_buffer("calls", torch.zeros(()))
        self.seen = []

    def forward(self, x):
        self.calls += 1
        self.seen.append(x.shape)
        self.last = x
        with torch.no_grad():
            self.inner[0].weight.clamp_(-0.1, 0.1)
            self.inner[0].bias.data.mul_(0.5)
        random.random()  # noqa: S311
        np.random.rand()  # noqa: NPY002
        return self.fc(self.inner(x + torch.randn_like(x)).flatten(1))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("with_gradients", [True, False])
@pytest.mark.parametrize("fails", [False, True])
def test_nothing_in_the_model_changes(training, with_gradients, fails):
    model = Restless().train(training)
    model.inner[0].register_forward_hook(lambda *_: None)
    model.inner[0].bias.requires_grad_(False)
    if with_gradients:
        model(GREY[0][0]).sum().backward()
    optimiser = torch.optim.Adam(model.parameters())
    before = everything(model)

    def failing(*_):
        raise ValueError("no")

    if fails:
        with pytest.raises(InputError, match=r"^the loss failed: ValueError: no"):
            cs.probe(model, GREY, failing, optimiser=optimiser)
    else:
        cs.probe(model, GREY, optimiser=optimiser)
    after = everything(model)
    assert before.keys() == after.keys()
    for what, kept in before.items():
        assert same(kept, after[what]), what


def test_a_change_would_be_seen():
    model = nets.ResNet()
    before = everything(model)
    model(COLOUR[0][0])
    assert not same(before["state"], everything(model)["state"])


def test_a_failing_forward_leaves_no_hook():
    model = nets.cnn()
    with pytest.raises(InputError, match=r"^the model's forward failed on an input of 4×3×9×9"):
        cs.probe(model, [torch.zeros(4, 3, 9, 9)])
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


# --- models of many makes ---------------------------------------------------------------------


def test_modules_called_again_and_shared_ones():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(16, 16)
            self.act = nn.ReLU()
            self.same = self.fc
            self.out = nn.Linear(16, 3)

        def forward(self, x):
            return self.out(self.act(self.same(self.act(self.fc(x)))))

    model = Twice()
    report = cs.probe(model, [torch.randn(8, 16)])
    assert [row.name for row in report] == ["fc", "act", "act#2", "out"]
    assert report["fc"].calls == 2
    assert report["act"].calls == report["act#2"].calls == 1


def test_several_inputs_and_every_form_of_batch():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(4, 8), nn.Linear(6, 8)

        def forward(self, left, right):
            return {"logits": torch.relu(self.a(left) + self.b(right))}

    left, right, y = torch.randn(5, 4), torch.randn(5, 6), torch.randint(0, 8, (5,))
    forms = [
        (left, right, y),
        ((left, right), y),
        {"left": left, "right": right, "labels": y},
        ({"left": left, "right": right}, y),
        (left.numpy(), right.numpy(), y.numpy()),
    ]
    reports = [cs.probe(Two(), [form]) for form in forms]
    assert {report.loss_words for report in reports} == {"cross-entropy"}
    assert "stand-in" in cs.probe(Two(), [(left, right)]).loss_words
    assert cs.probe(nets.mlp(), [(torch.rand(4, 64), torch.rand(4, 10))]).loss_words == "mean squared error"
    assert [row.name for row in reports[0]] == ["a", "b", "relu()"]


def test_frozen_layers_and_none_that_learns():
    model = nets.mlp()
    model[1].requires_grad_(False)
    report = cs.probe(model, GREY)
    assert report.is_healthy
    assert report["1"].is_frozen
    assert report["1"].gradient_norm is None
    model.requires_grad_(False)
    report = cs.probe(model, GREY)
    assert report.is_healthy
    assert report["1"].output_gradient_norm > 0
    assert "Nothing in the model is trainable" in report.notes[0]


def test_half_precision_and_autocast():
    model = nets.mlp().to(torch.bfloat16)
    report = cs.probe(model, [(x.to(torch.bfloat16), y) for x, y in GREY])
    assert report.is_healthy
    with torch.autocast("cpu", dtype=torch.bfloat16):
        report = cs.probe(nets.cnn(), GREY)
    assert report.is_healthy
    assert report["0"].sigma > 0


def test_without_gradients_around_it_and_without_parameters():
    with torch.no_grad():
        assert cs.probe(nets.cnn(), GREY)["0"].gradient_norm > 0
    model = nets.cnn()
    with torch.inference_mode():
        assert cs.probe(model, [torch.rand(4, 1, 8, 8)])["0"].gradient_norm > 0
    report = cs.probe(nn.Sequential(nn.Tanh(), nn.MaxPool2d(2)), GREY[0][0])
    assert report["0"].output_gradient_norm > 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of PyTorch's own compiler
def test_compiled_modules_are_run_as_they_are_written():
    plain = nets.cnn()
    compiled = torch.compile(plain, backend="eager")
    assert [row.name for row in cs.probe(compiled, GREY)] == [row.name for row in cs.probe(plain, GREY)]
    part = nn.Sequential(torch.compile(nets.cnn(), backend="eager"), nn.ReLU())
    names = [row.name for row in cs.probe(part, GREY)]
    assert names[:2] == ["0.0", "0.1"]


def test_checkpointed_parts_count_once():
    from torch.utils.checkpoint import checkpoint

    class Kept(nn.Module):
        def __init__(self, reentrant):
            super().__init__()
            self.body, self.head, self.reentrant = nets.mlp(), nn.Linear(10, 10), reentrant

        def forward(self, x):
            return self.head(checkpoint(self.body, x, use_reentrant=self.reentrant))

    report = cs.probe(Kept(reentrant=False), GREY[:1])
    assert report["body.1"].calls == 1
    assert report["body.1"].gradient_norm > 0


def test_weights_used_without_their_layer_and_layers_that_never_run():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.idle = nn.Linear(64, 10), nn.Linear(3, 3)

        def forward(self, x):
            return functional.linear(x.flatten(1), self.fc.weight)

    report = cs.probe(Odd(), GREY)
    assert report["fc"].gradient_norm > 0
    assert report.idle == ("idle",)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: cs.probe("model", GREY), "a str cannot be probed"),
        (lambda: cs.probe(nets.cnn(), []), "there are no batches"),
        (lambda: cs.probe(nets.cnn(), 3), "batches is a int"),
        (lambda: cs.probe(nets.cnn(), [object()]), "batch 0 is a object"),
        (lambda: cs.probe(nets.cnn(), GREY, lambda out, _: out), "the loss must be a tensor with one number"),
        (lambda: cs.probe(nets.cnn(), [(GREY[0][0], GREY[0][1] + 9)]), "targets go from"),
        (lambda: cs.probe(nets.cnn(), [(GREY[0][0], torch.zeros(16, 3))]), "targets of shape 16×3"),
        (lambda: cs.probe(nets.cnn(), GREY, limit=0), "limit is 0"),
        (lambda: cs.probe(nets.cnn(), GREY, optimiser=3), "a int is no optimiser"),
        (
            lambda: cs.probe(nets.cnn(), GREY, optimiser=torch.optim.SGD(nets.cnn().parameters())),
            "none of the optimiser's",
        ),
        (lambda: cs.probe(nets.cnn(), "nothing"), "no data is called 'nothing'"),
    ],
)
def test_mistakes_are_one_clear_line(call, told):
    with pytest.raises((InputError, UnsupportedError)) as caught:
        call()
    assert str(caught.value).startswith(told)
    assert "\n" not in str(caught.value)


def test_memory_does_not_grow_with_batches():
    def kept(count):
        model = nets.cnn()
        from convscope.probing import network

        found = {}
        original = network.built_report
        network.built_report = lambda state, name: found.setdefault("state", state) and original(state, name)
        try:
            cs.probe(model, (GREY[n % 3] for n in range(count)))
        finally:
            network.built_report = original
        state = found["state"].observer
        return sum(
            t.numel()
            for row in state.rows.values()
            for t in (row.spread.products, row.spread.total, row.spread.bins)
            if t is not None
        ) + sum(len(row.spread.waiting) for row in state.rows.values())

    assert kept(2) == kept(12)


def test_the_report_is_shown_in_every_form(tmp_path):
    model = nets.mlp()
    nn.init.constant_(model[3].bias, -20.0)
    report = cs.probe(model, GREY, optimiser=torch.optim.Adam(model.parameters()))
    assert "3 is dead (seen in 4): 64 of 64 units" in report.to_text(width=120)
    for form in (report.to_markdown(), report.to_latex(), report.to_html()):
        assert "dead" in form
    assert report.save(tmp_path / "health.html").stat().st_size > 1000
    facts = report.facts()
    assert facts["findings"][0]["layer"] == "3"
    assert len(facts["rows"]) == len(report)
    with pytest.raises(InputError, match=r"^no layer is called 'fc'"):
        report["fc"]


def test_gradients_of_a_layer_are_means_over_the_batches_of_its_norm():
    """Of weight and bias together, batch by batch: not the norm of two means."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Tanh(), nn.Flatten(), nn.Linear(8 * 36, 4))
    batches = [(torch.randn(4, 3, 8, 8) * scale, torch.arange(4)) for scale in (0.1, 1.0, 5.0)]
    report = cs.probe(model, batches)
    for name in ("0", "3"):
        both, weights = [], []
        for x, y in batches:
            model.zero_grad()
            functional.cross_entropy(model(x), y).backward()
            layer = model[int(name)]
            weights.append(float(layer.weight.grad.norm()))
            both.append(math.hypot(weights[-1], float(layer.bias.grad.norm())))
        assert report[name].gradient_norm == pytest.approx(sum(both) / 3, rel=1e-6)
        ratio = sum(weights) / 3 / float(model[int(name)].weight.detach().norm())
        assert report[name].gradient_ratio == pytest.approx(ratio, rel=1e-6)


def test_without_gradients_nothing_is_called_healthy():
    model = nets.mlp().requires_grad_(requires_grad=False)
    report = cs.probe(model, GREY)
    assert not report.has_gradients
    assert "No gradient of anything trainable was measured" in str(report)
    assert "healthy: none" not in str(report)
    assert repr(report).startswith("<probe of Sequential: ")


def test_lazy_layers_are_to_be_made_first():
    with pytest.raises(InputError, match=r"^'0.weight' has no values yet; run the model once"):
        cs.probe(nn.Sequential(nn.LazyLinear(5)), torch.ones(2, 3))
