"""A layer of a problem: one line of words, or a word with its options."""

from __future__ import annotations

import inspect
import re
from functools import cache
from typing import Any

import convscope as cs
from convscope.errors import nearest_name
from convscope.problems.fields import Fields, matrix_source, scalar_text, shown
from convscope.problems.tree import Entries, Items, Node, Scalar

# Options that hold numbers cell by cell; all others are whole numbers, words, true or false.
MATRIX_OPTIONS = frozenset({"weight", "bias", "running_mean", "running_var"})
# What a convolution's weight may be called too, since a single kernel is what it mostly is.
ALIASES = {"kernel": "weight"}

_INTEGER = re.compile(r"[+-]?\d{1,18}\Z", re.ASCII)
_LENGTHS = re.compile(r"\d{1,18}(?:\s*[x×]\s*\d{1,18})+\Z", re.ASCII)
_WORDS = {"true": True, "false": False}


def read_layers(fields: Fields, key: str) -> tuple[cs.Layer, ...] | None:
    """The layers under `key`, in order; None when one of them has a mistake, which is noted."""
    nodes = fields.items(key, required=True)
    if nodes is None:
        return None
    layers = [_read_layer(fields, node, f"{key}[{number}]") for number, node in enumerate(nodes, start=1)]
    found = tuple(layer for layer in layers if layer is not None)
    return found if len(found) == len(layers) else None


def _read_layer(fields: Fields, node: Node, path: str) -> cs.Layer | None:
    with fields.mistakes.noted(node.line, fields.place_of(path)):
        match node:
            case Scalar():
                return cs.layer(scalar_text(node))
            case Entries(pairs=((word, Entries() as options),), repeated=()):
                inner = fields.within(options, f"{path}.{shown(word.text)}")
                return None if inner is None else build_layer(word.text, inner)
            case Entries(pairs=((word, Scalar() as rest),), repeated=()):
                return cs.layer(word.text if rest.is_null else f"{word.text} {scalar_text(rest)}")
            case _:
                raise cs.InputError(
                    "a layer is one line such as 'maxpool 2', or one word with its options such as "
                    "'conv: {kernel: \"0 1; 1 0\", padding: 1}'"
                )
    return None


def build_layer(word: str, options: Fields) -> cs.Layer | None:
    """The layer a word names, with options named as its constructor names them.

    Raises:
        InputError: an unknown word, or what the constructor refuses.
    """
    classes = layer_classes()
    name = re.sub(r"[\s_-]", "", word).lower()
    if name not in classes:
        raise cs.InputError(f"unknown layer '{shown(word)}'; {nearest_name(name, classes)}")
    layer_class = classes[name]
    before = len(options.mistakes.found)
    given: dict[str, Any] = {}
    for option in inspect.signature(layer_class).parameters:
        names = [option, *(alias for alias, means in ALIASES.items() if means == option)]
        for written in names:
            node = options.node_of(written)
            if node is None:
                continue
            if option in given:
                options.refuse(written, f"says the same as '{option}'; write one of them")
            with options.mistakes.noted(node.line, options.place_of(written)):
                given[option] = read_option(option, node, options)
    options.finish()
    if len(options.mistakes.found) > before:
        return None
    try:
        return layer_class(**given)
    except TypeError as error:  # a required option is missing
        missing = re.findall(r"'(\w+)'", str(error))
        raise cs.InputError(f"the option {' and '.join(map(repr, missing))} is missing") from None


@cache
def layer_classes() -> dict[str, type[cs.Layer]]:
    """Every public layer by its word: its name in lower case."""
    public = (getattr(cs, name) for name in cs.__all__ if name[0].isupper())
    return {
        found.__name__.lower(): found
        for found in public
        if isinstance(found, type) and issubclass(found, cs.Layer) and found is not cs.Layer
    }


def read_option(option: str, node: Node, fields: Fields) -> Any:  # noqa: ANN401 - as various as layers' options
    """The value of one option of a layer: a matrix, whole numbers, a word, true or false."""
    if option in MATRIX_OPTIONS and not (isinstance(node, Scalar) and node.text in _WORDS):
        source = matrix_source(node, fields.folder)
        return cs.matrix(source)
    return _plain(node)


def _plain(node: Node) -> Any:  # noqa: ANN401
    match node:
        case Items():
            return [_plain(inner) for inner in node.nodes]
        case Scalar():
            written = node.text.strip()
            if written in _WORDS:
                return _WORDS[written]
            if _LENGTHS.match(written):
                return [int(length) for length in re.split(r"[x×]", written)]
            # Numbers that are not whole stay text, which layers read exactly.
            return int(written) if _INTEGER.match(written) else written
        case _:
            raise cs.InputError("a mapping is not an option; write a number, a word or a list")
