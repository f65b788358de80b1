"""Options that say how a window moves are the same words in every command that has them."""

from __future__ import annotations

import importlib

import pytest

from cli.helpers import refused
from convscope.cli.app import COMMANDS

BEGINNINGS = {
    "apply": ("apply", "sobel_x", "photo.png"),
    "conv": ("conv", "1 2; 3 4", "1"),
    "size": ("size", "5", "-k", "3"),
}
WINDOW = {"stride", "padding", "dilation"}


def window_options(command):
    params = importlib.import_module(COMMANDS[command].module).command.params
    found = [one for one in params if one.name in WINDOW]
    return {one.name: (one.opts, one.default, one.help) for one in found}


@pytest.mark.parametrize("command", BEGINNINGS)
@pytest.mark.parametrize("option", ["-s", "--stride", "-d", "--dilation"])
def test_a_length_that_is_none_is_refused_by_the_name_of_its_option(command, option):
    told = refused(*BEGINNINGS[command], option, "two")
    assert "'two' is not a whole number, nor one for each axis such as 3x5" in told
    assert {"-s": "--stride", "-d": "--dilation"}.get(option, option) in told


def test_every_command_describes_them_alike():
    described = {command: window_options(command) for command in COMMANDS}
    having = {command: options for command, options in described.items() if options}
    assert set(having) == set(BEGINNINGS)
    for name in WINDOW:
        assert len({str(options[name]) for options in having.values() if name in options}) == 1
