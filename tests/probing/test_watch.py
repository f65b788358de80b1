"""A training loop that is watched: sampled rarely, changed in nothing, and left without hooks."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

import convscope as cs  # noqa: E402
from convscope.errors import InputError, UnsupportedError  # noqa: E402
from probing import nets  # noqa: E402

DATA = nets.digits_like(1, 8, 16, 3)


def trained(model, optimiser, steps):
    for n in range(steps):
        x, y = DATA[n % 3]
        optimiser.zero_grad()
        functional.cross_entropy(model(x), y).backward()
        optimiser.step()
    return model


def stopped(model, optimiser):
    with cs.watch(model, optimiser):
        model(DATA[0][0])
        raise ZeroDivisionError


def hooks(model, optimiser):
    kept = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()]
    return kept, len(optimiser._optimizer_step_pre_hooks), len(optimiser._optimizer_step_post_hooks)


def test_a_watched_training_is_the_same_training():
    torch.manual_seed(0)
    first = nets.cnn()
    second = copy.deepcopy(first)
    trained(first, torch.optim.Adam(first.parameters()), 12)
    optimiser = torch.optim.Adam(second.parameters())
    before = hooks(second, optimiser)
    with cs.watch(second, optimiser, every=4) as w:
        trained(second, optimiser, 12)
    assert hooks(second, optimiser) == before
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)
    assert w.steps[0] == 1
    assert all(later - earlier >= 4 for earlier, later in zip(w.steps, w.steps[1:], strict=False))


def test_the_report_has_the_last_sample_and_what_came_before(monkeypatch):
    monkeypatch.setattr("convscope.probing.watch.SHARE", 1e9)  # samples cost nothing
    torch.manual_seed(0)
    model = nets.cnn()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    with cs.watch(model, optimiser, every=3) as w:
        trained(model, optimiser, 8)
    assert w.steps == (1, 4, 7)
    report = w.report()
    assert report.steps == (1, 4, 7)
    line = dict(report.history)["0"]
    assert len(line) == 3
    assert line[-1] == pytest.approx(report["0"].gradient_norm)
    # One step of gradient descent is the learning rate times the gradient.
    assert report["0"].update_ratio == pytest.approx(0.1 * report["0"].gradient_ratio, rel=1e-3)
    assert "3 samples, from step 1 to step 7" in report.to_text()
    assert report.facts()["loss"] is None


def test_gradients_are_those_that_the_loop_took():
    torch.manual_seed(0)
    model = nets.cnn()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    with cs.watch(model, optimiser) as w:
        trained(model, optimiser, 1)
    for row in w.report():
        for p in row.parameters:
            assert p.gradient_norm == pytest.approx(float(model.get_parameter(p.name).grad.norm()), rel=1e-6)


def test_a_fault_that_appears_while_training_is_named():
    torch.manual_seed(0)
    model = nets.mlp()
    optimiser = torch.optim.Adam(model.parameters(), lr=1.0)
    with cs.watch(model, optimiser) as w:
        trained(model, optimiser, 1)
    assert w.report().findings[0].rule.name == "large_scaled_step"


def test_validation_is_not_sampled_and_failures_leave_no_hooks():
    model = nets.cnn()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    before = hooks(model, optimiser)
    w = cs.watch(model, optimiser)
    with w:
        with torch.no_grad():
            model(DATA[0][0])
        with pytest.raises(RuntimeError):
            model(torch.zeros(2, 3, 8, 8))
        assert sum(hooks(model, optimiser)[0]) == 2  # the two that count
    assert hooks(model, optimiser) == before
    with pytest.raises(ZeroDivisionError):
        stopped(model, optimiser)
    assert hooks(model, optimiser) == before
    with pytest.raises(InputError, match=r"^no step of the optimiser was watched yet"):
        w.report()


def sampled(monkeypatch, *, steps, every, cost):
    """The steps that are sampled where an ordinary step takes one second and a sample so much more."""
    clock = [0.0]
    clocked = SimpleNamespace(perf_counter=lambda: clock[0])
    monkeypatch.setattr("convscope.probing.watch.time", clocked)
    model = torch.nn.Linear(2, 1)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    with cs.watch(model, optimiser, every=every) as w:
        for _ in range(steps):
            before = len(w.steps)
            optimiser.zero_grad()
            model(torch.ones(1, 2)).mean().backward()
            clock[0] += 1.0 + (cost if model._forward_hooks else 0.0)
            optimiser.step()
            assert len(w.steps) - before in {0, 1}
    return w.steps


def test_a_cheap_sample_is_taken_every_so_many_steps(monkeypatch):
    assert sampled(monkeypatch, steps=130, every=10, cost=0.0)[:3] == (
        1,
        102,
        112,
    )  # the first had to be paid for


def test_a_sample_that_costs_much_is_taken_more_rarely(monkeypatch):
    found = sampled(monkeypatch, steps=900, every=10, cost=2.0)
    assert found[0] == 1
    for count, step in enumerate(found[1:], start=2):
        assert 1 + 2.0 * count <= 0.02 * step + 1  # all samples, the first with its ordinary second
    assert len(found) >= 5


def test_mistakes():
    model = nets.cnn()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(InputError, match=r"^a Sequential is no optimiser"):
        cs.watch(model, model)
    with pytest.raises(InputError, match=r"^every is 0"):
        cs.watch(model, optimiser, every=0)
    with pytest.raises(UnsupportedError, match=r"^the layers of a compiled model do not run in Python"):
        cs.watch(torch.compile(model, backend="eager"), optimiser)
