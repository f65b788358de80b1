"""convscope shows the work of convolution, from one kernel to a whole network.

Every public name is importable from here and is loaded only when it is first used, so that
``import convscope`` costs next to nothing.
"""

from __future__ import annotations

from convscope.version import __version__

# Type checkers take this name as true; importing it from `typing` would be most of the time that
# `convscope --version` takes.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from convscope.core.array import ExactArray as ExactArray
    from convscope.core.catalogue import kernels as kernels
    from convscope.core.convolution import Conv as Conv
    from convscope.core.convolution import ConvTranspose as ConvTranspose
    from convscope.core.derivation import Derivation as Derivation
    from convscope.core.document import Document as Document
    from convscope.core.kernel import Kernel as Kernel
    from convscope.core.layer import Layer as Layer
    from convscope.core.pointwise import ELU as ELU
    from convscope.core.pointwise import GELU as GELU
    from convscope.core.pointwise import SELU as SELU
    from convscope.core.pointwise import Dropout as Dropout
    from convscope.core.pointwise import Hardtanh as Hardtanh
    from convscope.core.pointwise import Identity as Identity
    from convscope.core.pointwise import LeakyReLU as LeakyReLU
    from convscope.core.pointwise import LogSigmoid as LogSigmoid
    from convscope.core.pointwise import LogSoftmax as LogSoftmax
    from convscope.core.pointwise import PReLU as PReLU
    from convscope.core.pointwise import ReLU as ReLU
    from convscope.core.pointwise import ReLU6 as ReLU6
    from convscope.core.pointwise import Sigmoid as Sigmoid
    from convscope.core.pointwise import SiLU as SiLU
    from convscope.core.pointwise import Softmax as Softmax
    from convscope.core.pointwise import Softmin as Softmin
    from convscope.core.pointwise import Softplus as Softplus
    from convscope.core.pointwise import Softsign as Softsign
    from convscope.core.pointwise import Tanh as Tanh
    from convscope.core.pooling import AdaptiveAvgPool as AdaptiveAvgPool
    from convscope.core.pooling import AdaptiveMaxPool as AdaptiveMaxPool
    from convscope.core.pooling import AvgPool as AvgPool
    from convscope.core.pooling import GlobalAvgPool as GlobalAvgPool
    from convscope.core.pooling import GlobalMaxPool as GlobalMaxPool
    from convscope.core.pooling import LpPool as LpPool
    from convscope.core.pooling import MaxPool as MaxPool
    from convscope.core.reading import kernel as kernel
    from convscope.core.reading import matrix as matrix
    from convscope.core.structural import Add as Add
    from convscope.core.structural import BatchNorm as BatchNorm
    from convscope.core.structural import Concat as Concat
    from convscope.core.structural import Flatten as Flatten
    from convscope.core.structural import Linear as Linear
    from convscope.core.structural import Pad as Pad
    from convscope.core.structural import Upsample as Upsample
    from convscope.engine.apply import apply as apply
    from convscope.engine.apply import plan as plan
    from convscope.engine.plan import Plan as Plan
    from convscope.errors import ConvscopeError as ConvscopeError
    from convscope.errors import InputError as InputError
    from convscope.errors import MissingExtraError as MissingExtraError
    from convscope.errors import ShapeError as ShapeError
    from convscope.errors import UnsupportedError as UnsupportedError
    from convscope.importers import layer as layer
    from convscope.importers import layers as layers
    from convscope.importers import network as network
    from convscope.importers.picture import Photograph as Photograph
    from convscope.importers.picture import read_picture as read_picture
    from convscope.importers.weights import Bank as Bank
    from convscope.importers.weights import Weights as Weights
    from convscope.importers.weights import read_weights as read_weights
    from convscope.interpret.description import Description as Description
    from convscope.interpret.description import describe as describe
    from convscope.interpret.design import design as design
    from convscope.interpret.highlight import Highlight as Highlight
    from convscope.interpret.highlight import highlight as highlight
    from convscope.interpret.sheet import Sheet as Sheet
    from convscope.probing.network import probe as probe
    from convscope.probing.paper import Saturation as Saturation
    from convscope.probing.paper import saturation as saturation
    from convscope.probing.report import ProbeReport as ProbeReport
    from convscope.probing.watch import watch as watch
    from convscope.problems import ProblemSet as ProblemSet
    from convscope.problems import SolvedSet as SolvedSet
    from convscope.problems import load_problems as load_problems
    from convscope.rewrite.as_conv import as_conv as as_conv
    from convscope.rewrite.backward import Backward as Backward
    from convscope.rewrite.backward import backward as backward
    from convscope.rewrite.code import Code as Code
    from convscope.rewrite.code import code as code
    from convscope.rewrite.compose import compose as compose
    from convscope.rewrite.equivalence import equivalent as equivalent
    from convscope.rewrite.flip import to_correlation as to_correlation
    from convscope.rewrite.fold import fold as fold
    from convscope.rewrite.gemm import Gemm as Gemm
    from convscope.rewrite.gemm import as_gemm as as_gemm
    from convscope.rewrite.matrix import LayerMatrix as LayerMatrix
    from convscope.rewrite.matrix import as_matrix as as_matrix
    from convscope.rewrite.proof import Counterexample as Counterexample
    from convscope.rewrite.proof import Proof as Proof
    from convscope.rewrite.proof import Undecided as Undecided
    from convscope.rewrite.rewritten import Rewritten as Rewritten
    from convscope.rewrite.separate import Separated as Separated
    from convscope.rewrite.separate import separate as separate
    from convscope.rules.inverse import find_sizes as find_sizes
    from convscope.rules.network import Network as Network
    from convscope.rules.padding_solver import find_padding as find_padding
    from convscope.rules.shape import output_size as output_size
    from convscope.worked.solution import Solution as Solution
    from convscope.worked.solution import solve as solve

# Module -> the public names it holds. The block above says the same to type checkers; a test
# holds the two together.
_HOMES = {
    "core.array": ("ExactArray",),
    "core.catalogue": ("kernels",),
    "core.convolution": ("Conv", "ConvTranspose"),
    "core.derivation": ("Derivation",),
    "core.document": ("Document",),
    "core.kernel": ("Kernel",),
    "core.layer": ("Layer",),
    "core.pointwise": (
        "Dropout", "ELU", "GELU", "Hardtanh", "Identity", "LeakyReLU", "LogSigmoid", "LogSoftmax", "PReLU",
        "ReLU", "ReLU6", "SELU", "SiLU", "Sigmoid", "Softmax", "Softmin", "Softplus", "Softsign", "Tanh",
    ),
    "core.pooling": (
        "AdaptiveAvgPool", "AdaptiveMaxPool", "AvgPool", "GlobalAvgPool", "GlobalMaxPool", "LpPool",
        "MaxPool",
    ),
    "core.reading": ("kernel", "matrix"),
    "core.structural": ("Add", "BatchNorm", "Concat", "Flatten", "Linear", "Pad", "Upsample"),
    "engine.apply": ("apply", "plan"),
    "engine.plan": ("Plan",),
    "errors": ("ConvscopeError", "InputError", "MissingExtraError", "ShapeError", "UnsupportedError"),
    "importers": ("layer", "layers", "network"),
    "importers.picture": ("Photograph", "read_picture"),
    "importers.weights": ("Bank", "Weights", "read_weights"),
    "interpret.design": ("design",),
    "interpret.highlight": ("Highlight", "highlight"),
    "interpret.sheet": ("Sheet",),
    "interpret.description": ("Description", "describe"),
    "probing.network": ("probe",),
    "probing.paper": ("Saturation", "saturation"),
    "probing.report": ("ProbeReport",),
    "probing.watch": ("watch",),
    "problems": ("ProblemSet", "SolvedSet", "load_problems"),
    "rewrite.as_conv": ("as_conv",),
    "rewrite.backward": ("Backward", "backward"),
    "rewrite.code": ("Code", "code"),
    "rewrite.compose": ("compose",),
    "rewrite.equivalence": ("equivalent",),
    "rewrite.flip": ("to_correlation",),
    "rewrite.fold": ("fold",),
    "rewrite.gemm": ("Gemm", "as_gemm"),
    "rewrite.matrix": ("LayerMatrix", "as_matrix"),
    "rewrite.proof": ("Counterexample", "Proof", "Undecided"),
    "rewrite.rewritten": ("Rewritten",),
    "rewrite.separate": ("Separated", "separate"),
    "rules.inverse": ("find_sizes",),
    "rules.network": ("Network",),
    "rules.padding_solver": ("find_padding",),
    "rules.shape": ("output_size",),
    "worked.solution": ("Solution", "solve"),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = ["__version__", *sorted(_HOME_OF)]  # noqa: PLE0604 - the names are strings


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'convscope' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f"convscope.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF})
