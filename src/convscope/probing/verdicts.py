"""The verdicts: one table of rules, each with its threshold, where that comes from, and what helps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

Verdict: TypeAlias = Literal["healthy", "saturating", "dead", "vanishing", "exploding", "collapsed"]

# Dead, saturating and cut-off layers are one layer's own; a signal or gradient that fades or grows
# over many layers is named at the first of them.
Scope: TypeAlias = Literal["numbers", "cut", "layer", "flow", "step"]

# A share of the units is judged where there are so many of them: by chance, each unit of a layer is
# positive on all inputs or on none with odds of one half, so that 29 of 32 are dead once in 10⁶.
FEWEST_UNITS = 32
# A layer beside a shortcut is judged dead as a whole only if it has so many units.
FEWEST_BESIDE = 16
# The channels and samples below which one direction is nothing unusual.
FEWEST_DIRECTIONS = 8


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        name: what it looks at.
        verdict: what it gives.
        scope: what the finding is about.
        threshold: the value at which it applies.
        condition: the same as a sentence, with the threshold.
        source: where the threshold comes from.
        suggestion: what to do about it.
    """

    name: str
    verdict: Verdict
    scope: Scope
    threshold: float
    condition: str
    source: str
    suggestion: str


_LOWER = "Lower the learning rate by a factor of 10 to 1000, or warm it up from zero."

_TABLE = (
    Rule(
        "non_finite",
        "exploding",
        "numbers",
        0,
        "an output, a weight or a gradient is infinite or not a number, and nothing before it is",
        "arithmetic: every later sum that takes it in is lost too",
        "Look at this layer's weights and input first: a division by zero, the logarithm or root of a "
        "number that is not positive, or half precision past 65504. If it appeared while training, lower "
        "the learning rate and clip gradients.",
    ),
    Rule(
        "cut_off",
        "vanishing",
        "cut",
        0,
        "trainable, its output is used for the loss, and yet no gradient comes back at all",
        "automatic differentiation: the gradient is absent, not small",
        "Look for detach(), .data, .item(), a NumPy round trip or torch.no_grad() between this layer and the "
        "loss; if it is meant, set requires_grad to False so that it is counted as frozen.",
    ),
    Rule(
        "dead_units",
        "dead",
        "layer",
        0.9,
        "at least 0.9 of 32 units or more, or every unit, is not positive on any input",
        "a rectifier passes neither value nor gradient there (Lu et al., Dying ReLU and "
        "initialization, 2020)",
        "Move the bias of the layer before it back to zero and initialise its weights by He's rule; "
        "LeakyReLU, ELU or GELU keep a gradient below zero, a normalisation before it centres its "
        "input, and a "
        "lower learning rate keeps it there.",
    ),
    Rule(
        "saturated",
        "saturating",
        "layer",
        0.3,
        "at least 0.3 of the outputs lie where the function is flat",
        "|tanh| > 0.97 is flat in Karpathy's makemore, part 3, where 0.2 at the first layer and "
        "0.05 later are "
        "healthy; the slope there is below 0.06",
        "Initialise the weights before it by Xavier's rule, or put BatchNorm between them so that "
        "its input has "
        "spread 1; in hidden layers the ReLU family does not saturate.",
    ),
    Rule(
        "constant_output",
        "collapsed",
        "layer",
        1e-5,
        "its input differs between items, and its output by less than 0.00001 of its size",
        "the rounding of single precision is 6·10⁻⁸: what is left of the input is lost in it",
        "Initialise its weights by He's rule (ReLU) or Xavier's (tanh, sigmoid) rather than with zero or a "
        "constant: a layer of zeros passes no gradient to the layers before it.",
    ),
    Rule(
        "one_direction",
        "collapsed",
        "layer",
        1e-10,
        "all its channels move together: the second principal variance is below 10⁻¹⁰ of the first",
        "the rounding of single precision; delve's saturation (Richter et al. 2021) is then one direction",
        "Units that start equal stay equal: initialise the weights at random, by He's rule (ReLU) "
        "or Xavier's "
        "(tanh, sigmoid).",
    ),
    Rule(
        "small_gradient",
        "vanishing",
        "flow",
        1e-5,
        "the gradient at its output is below 0.00001 of that at the last layer",
        "five decades: with one step size for all, this layer stands still while the last one learns "
        "(Glorot and Bengio 2010; Hochreiter 1991)",
        "Initialise by He's rule (ReLU) or Xavier's (tanh, sigmoid), use the ReLU family in hidden "
        "layers, put BatchNorm after each layer, or lead residual connections around blocks.",
    ),
    Rule(
        "large_gradient",
        "exploding",
        "flow",
        1e5,
        "the gradient at its output is above 100000 times that at the last layer",
        "five decades, as for vanishing (Pascanu, Mikolov and Bengio 2013)",
        "Initialise by He's rule (ReLU) or Xavier's (tanh, sigmoid), normalise between layers, clip "
        "the gradient's norm, or lower the learning rate.",
    ),
    Rule(
        "lost_signal",
        "collapsed",
        "flow",
        1e-5,
        "its output, or what differs in it between items, is below 0.00001 of what came in",
        "five decades of the signal are lost on the way (He et al. 2015, section 2.2)",
        "Each layer shrinks the signal a little: initialise by He's rule (ReLU) or Xavier's (tanh, "
        "sigmoid), or put BatchNorm after each layer.",
    ),
    Rule(
        "grown_signal",
        "exploding",
        "flow",
        1e5,
        "its output is above 100000 times the input of the network",
        "five decades; half precision ends at 65504 (He et al. 2015, section 2.2)",
        "Each layer enlarges the signal: initialise by He's rule (ReLU) or Xavier's (tanh, sigmoid), "
        "or put BatchNorm after each layer; in residual networks start the last layer of each block at zero.",
    ),
    Rule(
        "large_step",
        "exploding",
        "step",
        0.15,
        "the next step of gradient descent is above 0.15 of its weights, or of the size He's rule "
        "would give them",
        "about 0.001 is healthy (Karpathy's makemore, part 3); the last layer of a network takes "
        "up to 0.08 at "
        "a learning rate of 0.1",
        _LOWER,
    ),
    Rule(
        "large_scaled_step",
        "exploding",
        "step",
        0.5,
        "the next step of an optimiser that scales or gathers gradients is above 0.5 of its "
        "weights, or of the size "
        "He's rule would give them",
        "about 0.001 is healthy (Karpathy's makemore, part 3); the first step of Adam moves every "
        "weight by the "
        "learning rate, which for 0.001 and 25000 inputs is 0.27 of the weights",
        _LOWER,
    ),
)

VERDICTS: Mapping[str, Rule] = MappingProxyType({rule.name: rule for rule in _TABLE})
# The order in which findings are told: what makes the others meaningless comes first.
SCOPES: tuple[Scope, ...] = ("numbers", "cut", "layer", "flow", "step")
