"""The table of ONNX operators: which rule turns each into layers."""

from __future__ import annotations

from collections.abc import Callable

from convscope.errors import ConvscopeError
from convscope.importers.onnx_moves import MOVES
from convscope.importers.onnx_pointwise import POINTWISE
from convscope.importers.onnx_products import PRODUCTS, multi_head, packed_attention
from convscope.importers.onnx_values import Call, NotKnownError, Plan
from convscope.importers.onnx_windows import WINDOWS, conv, unknown

STANDARD = ("", "ai.onnx")

OPERATORS: dict[str, Callable[[Call], Plan]] = {**POINTWISE, **MOVES, **PRODUCTS, **WINDOWS}

# ONNX Runtime's own operators that are the standard ones, or join several of them.
MICROSOFT: dict[str, Callable[[Call], Plan]] = {
    name: OPERATORS[name]
    for name in (
        "Gelu", "FastGelu", "QuickGelu", "BiasGelu", "BiasAdd", "FusedMatMul", "FusedGemm", "Trilu",
        "SkipLayerNormalization", "SkipSimplifiedLayerNormalization", "QuantizeLinear",
        "DequantizeLinear", "GridSample",
    )
} | {
    "FusedConv": conv,
    "Attention": packed_attention,
    **dict.fromkeys(("MultiHeadAttention", "GroupQueryAttention"), multi_head),
}  # fmt: skip
# Operators that ONNX Runtime writes in the standard domain though the standard has none of them.
OPERATORS["SimplifiedLayerNormalization"] = POINTWISE["SimplifiedLayerNormalization"]

_BY_DOMAIN: dict[str, dict[str, Callable[[Call], Plan]]] = {
    **dict.fromkeys(STANDARD, OPERATORS),
    "com.microsoft": MICROSOFT,
}


def plan_of(call: Call, domain: str) -> Plan:
    """The layers an operator comes to; one that is not known, or whose sizes are not, is shown as it is.

    Raises:
        ConvscopeError: shapes or options that do not fit.
    """
    rule = _BY_DOMAIN.get(domain, {}).get(call.op)
    if rule is None:
        return unknown(call)
    try:
        return rule(call)
    except NotKnownError:
        return unknown(call)
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        if isinstance(error, ConvscopeError):
            raise
        return unknown(call)  # attributes of other types than the standard gives them
