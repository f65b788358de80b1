"""``convscope probe``: the user's code is run and told so; weights alone are refused."""

from __future__ import annotations

import json
import pickle

import pytest

from cli.helpers import refused, run

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

MODULE = """
import torch
from torch import nn
print("from the user's code")
torch.manual_seed(0)

def make():
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10))

ready = make()
dead = make()
nn.init.constant_(dead[0].bias, -50.0)
together = (make(), [torch.rand(4, 1, 8, 8)])
number = 3

def fails():
    raise SystemExit("stopped\\nhere")
"""


@pytest.fixture(autouse=True)
def _module(tmp_path, monkeypatch):
    (tmp_path / "healthy_net.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "healthy_net", raising=False)


@pytest.mark.parametrize("name", ["make", "ready"])
def test_a_model_or_what_makes_one(name):
    ran = run("probe", f"healthy_net:{name}", "--data", "digits", "--batches", "2")
    assert ran.status == 0
    assert "2 batches, 64 items" in ran.out
    assert "All 3 layers are healthy" in ran.out
    assert "from the user's code" not in ran.out


def test_json_is_all_there_is_on_standard_output():
    ran = run("probe", "healthy_net:dead", "--data", "digits", "--json")
    facts = json.loads(ran.out)
    assert facts["findings"][0]["layer"] == "0"
    assert facts["rows"][1]["verdict"] == "dead"
    assert ran.status == 0


def test_a_check_that_fails_has_status_one():
    assert run("probe", "healthy_net:dead", "--data", "digits", "--check").status == 1
    assert run("probe", "healthy_net:make", "--data", "digits", "--check").status == 0


def test_a_tuple_brings_its_batches_and_a_page_is_written(tmp_path):
    ran = run("probe", "healthy_net:together", "-o", "health.html")
    assert ran.status == 0
    page = (tmp_path / "health.html").read_text(encoding="utf-8")
    assert "Health of" in page
    assert "<svg" in page


def test_the_help_says_that_code_is_run():
    told = " ".join(run("probe", "--help").out.split())
    assert "THIS RUNS THE CODE" in told
    assert "never unpickled" in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["healthy_net:make"], "name the data"),
        (["healthy_net:nothing", "--data", "digits"], "'healthy_net' has nothing called 'nothing'"),
        (["healthy_net:number", "--data", "digits"], "'healthy_net:number' is a int"),
        (["healthy_net:fails", "--data", "digits"], "calling 'fails' failed: SystemExit: stopped here"),
        (["nowhere_at_all:x", "--data", "digits"], "importing 'nowhere_at_all' failed"),
        (["healthy_net.py", "--data", "digits"], "'healthy_net.py' does not name a model"),
        (["healthy_net:make", "--data", "digits", "--input", "3x8x8"], "the model's forward failed"),
        (["healthy_net:make", "--data", "digit"], "no data is called 'digit'"),
    ],
)
def test_mistakes_are_one_line(words, told):
    ran = run("probe", *words)
    assert ran.status == 2
    assert ran.out == ""
    assert ran.err.splitlines()[-1].startswith(f"convscope: {told}")
    assert "Traceback" not in ran.err


def test_weights_alone_are_never_opened(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    for suffix in (".pt", ".pth", ".pkl"):
        (tmp_path / f"w{suffix}").write_bytes(pickle.dumps(Evil()))
        assert "never unpickled" in refused("probe", f"w{suffix}", "--data", "digits")
    assert not (tmp_path / "owned").exists()
