"""One document with every node, every mark and every hostile string: what all renderers are tried on."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np

from convscope.core.document import (
    Block,
    Card,
    CardGroup,
    Code,
    CodeBlock,
    Document,
    Explained,
    Figure,
    Finding,
    Formula,
    Gallery,
    Hidden,
    Listing,
    Mark,
    MatrixRow,
    MatrixView,
    Paragraph,
    Picture,
    Plan,
    Plot,
    Reference,
    Section,
    Share,
    Spark,
    Strong,
    Table,
    text,
)
from convscope.core.drawing import Drawing, Label, Part, Polygon, Stroke
from convscope.core.expression import (
    Absolute,
    Call,
    Ceiling,
    Elided,
    Expression,
    Floor,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Relation,
    Root,
    Sizes,
    Sum,
    Symbol,
    equation,
    sizes,
)
from convscope.core.number import Exact, Symbolic
from convscope.core.plot import Axis, Chart, Level, Series, Sparkline, histogram, series

DIGITS = 4


@dataclass(frozen=True)
class Sigmoid(Symbolic):
    """σ of a ratio: an irrational number with as many correct decimals as are asked for."""

    argument: Fraction

    @property
    def expression(self) -> Expression:
        return Call("σ", (Number(self.argument),))

    @property
    def is_numeric(self) -> bool:
        return True

    def decimal(self, digits: int) -> str:
        with localcontext() as context:
            context.prec = digits + 30
            power = (-Decimal(self.argument.numerator) / Decimal(self.argument.denominator)).exp()
            return str((1 / (1 + power)).quantize(Decimal(1).scaleb(-digits)))

    def __float__(self) -> float:
        return float(self.decimal(20))


@dataclass(frozen=True)
class Letters(Symbolic):
    """A number that holds letters: it has a formula and no decimals."""

    formula: Expression

    @property
    def expression(self) -> Expression:
        return self.formula

    @property
    def is_numeric(self) -> bool:
        return False

    def decimal(self, digits: int) -> str:
        raise AssertionError(f"a renderer asked a letter for {digits} decimals")

    def __float__(self) -> float:
        raise AssertionError("a renderer asked a letter for its value")


# Each would do something in one of the languages, were it not escaped. All are user text.
HOSTILE = (
    "<script>alert('x')</script>",
    "<img src=x onerror=alert(1)>",
    "</style><b>bold</b>",
    "--> ]]> &amp; &lt;",
    "$x^2$ and $$y$$",
    "\\input{/etc/passwd} \\write18{ls} \\end{document}",
    "50 % of {a_b}^c ~ #1 & more \\\\ \\",
    '#include("x.typ") #let x = 1; *bold* _under_ @ref <label>',
    "a | b || c",
    "`tick` ``two`` ```three```",
    "![picture](javascript:alert(1)) [link](http://example.org)",
    "# heading\n- item\n> quote\n\n1. one\n***\n---",
    "[red]markup[/red] [link=file:///etc]x[/link]",
    "\x1b[31mred\x1b[0m \x07bell \x00nul \x7fdel",
    "right\u202eto left\u202c, zero\u200bwidth, lone \ud800, \ufffe",
    "naïve Ångström σ λ 数 🙂 − × ⌊ ≤ → ∗",
    "http://example.org/?a=1&b=2 www.example.org user@example.org :smile:",
    "== 'quotes' \"double\" -- --- ... // /* */",
)

SHORT_HOSTILE = "<b>$#_|`\\%&{}^~*[]"


def matrix(rows: str) -> tuple[tuple[Exact, ...], ...]:
    """Rows of ratios from text."""
    return tuple(tuple(Fraction(entry) for entry in row.split()) for row in rows.split(";"))


INPUT = matrix("0 0 0 0 0 0; 0 0 0 0 0 0; 0 0 1 0 1 0; 0 1 .5 1 .5 0; 0 0 1 0 1 0; 0 0 0 0 0 0")
KERNEL = matrix("0 2 0; 1 1 2; 0 2 0")
PADDING_MARKS = (
    Mark("padding", 0, 0, 1, 6),
    Mark("padding", 5, 0, 6, 6),
    Mark("padding", 1, 0, 5, 1),
    Mark("padding", 1, 5, 5, 6),
)


def every_expression() -> tuple[Expression, ...]:
    """One or more formulas for every expression node, signs and brackets in every awkward place."""
    n, k, s = Symbol("n"), Symbol("k"), Symbol("s")
    indexed = Symbol("z", (Number(Fraction(0)), Sum((Symbol("j"), Number(Fraction(1))))))
    long_sum = Sum(tuple(Product((Number(Fraction(i)), Number(Fraction(i + 1, 2)))) for i in range(14)))
    return (
        equation(Symbol("out"), Floor((n + 2 * Symbol("padding") - k) / s) + 1),
        equation(Floor(Quotient(Sum((Number(Fraction(227)), Negative(Number(Fraction(11))))), s)) + 1, 55),
        equation(
            indexed,
            Sum((Number(Fraction(-3)), Number(Fraction(-2)), Number(Fraction(15, 2)))),
            Fraction(5, 2),
        ),
        equation(
            Symbol("mean"), Quotient(long_sum, Number(Fraction(14))), Fraction(481, 7), Sigmoid(Fraction(3))
        ),
        equation(Symbol("y"), Sum((Product((n, k)), Elided(37), Product((s, Number(Fraction(-1, 3))))))),
        equation(Symbol("p"), Product((n, Elided(8), Number(Fraction(-5, 2)), Negative(k), Sum((n, k))))),
        equation(Power(Number(Fraction(-2)), Number(Fraction(3))), -8),
        equation(
            Power(Sum((n, Number(Fraction(1)))), Quotient(n, Number(Fraction(2)))), Power(Power(n, k), s)
        ),
        equation(Power(Number(Fraction(1, 3)), Number(Fraction(2))), Fraction(1, 9), Fraction(1111, 9998)),
        equation(Root(Sum((Power(n, Number(Fraction(2))), Power(k, Number(Fraction(2))))))),
        Relation((Ceiling(Quotient(n, k)), Floor(Quotient(n, k)) + 1, Absolute(Negative(n))), ("≤", "≤")),
        Relation((n, k, s, Number(Fraction(1)), Number(Fraction(2))), ("<", ">", "≥", "≠")),
        Relation((Sizes((Number(Fraction(3)), Number(Fraction(227)), Number(Fraction(227)))), n), ("→",)),
        Relation((Call("σ", (Number(Fraction(15, 2)),)), Number(Sigmoid(Fraction(15, 2)))), ("=",)),
        equation(
            Call("max", (Number(Sigmoid(Fraction(2))), Number(Fraction(0)), Negative(n))),
            Sigmoid(Fraction(2)),
        ),
        equation(
            Negative(Sum((n, Negative(k)))), Negative(Negative(n)), Quotient(Quotient(n, k), Product((s, k)))
        ),
        equation(Number(Letters(n + k)), Product((Number(Letters(n + k)), Number(Fraction(2))))),
        equation(Symbol("σ"), Symbol("weight_µ"), Symbol(SHORT_HOSTILE), Call("<f>$", (n,))),
        sizes((96, 55, 55)),
    )


def matrices() -> tuple[Block, ...]:
    """Matrices with every role marked, gaps in both directions, rounded, fractional and lettered numbers."""
    window = Mark("window", 1, 1, 4, 4)
    padded = MatrixView(
        INPUT, text("the padded input, window at ", Symbol("z", ()), " marked"), (*PADDING_MARKS, window)
    )
    cut = MatrixView(matrix("0 0 0; 0 0 1; 1 .5 1"), text("window"), (Mark("window", 0, 0, 3, 3),))
    kernel = MatrixView(KERNEL, text("kernel, turned by 180°"))
    products = MatrixView(matrix("0 0 0; 0 0 2; 0 1 0"), text("products"))
    squashed = tuple(
        tuple(Sigmoid(value) for value in map(Fraction, row)) for row in ((0, 2, 0), (4, 2, "15/2"))
    )
    rounded = MatrixView(
        squashed, text("after the sigmoid"), (Mark("winner", 1, 2, 2, 3), Mark("window", 0, 1, 2, 3))
    )
    pooled = MatrixView(((Sigmoid(Fraction(4)), Sigmoid(Fraction(15, 2))),), text("pooled"))
    mixed = MatrixView(
        (
            (Fraction(1, 3), Fraction(-1, 16), Fraction(1000)),
            (Letters(Symbol("a")), Letters(Symbol("a") + 2 * Symbol("b")), Fraction(-5, 2)),
        ),
        text("fractions and letters ", SHORT_HOSTILE),
        (Mark("difference", 0, 1, 1, 2), Mark("difference", 1, 1, 2, 3)),
    )
    corners = MatrixView(
        matrix("1 2 3 4; 5 6 7 8; 9 10 11 12; 13 14 15 16"),
        text("corners of a large matrix"),
        (Mark("window", 0, 0, 2, 2),),
        row_gap=(1, 1020),
        column_gap=(2, 509),
    )
    wide = MatrixView((tuple(Fraction(100 * i - 711, 8) for i in range(24)),) * 2, text("a wide matrix"))
    return (
        padded,
        MatrixRow((cut, kernel, products), ("⊙", "=")),
        MatrixRow((rounded, pooled), ("→",)),
        MatrixRow((cut, kernel), ("∗",)),
        MatrixRow((cut, kernel, MatrixView(squashed)), ("⋆", "=")),
        MatrixRow((products, products), ("versus",)),
        mixed,
        corners,
        MatrixView(matrix("1 2; 3 4"), row_gap=(0, 7)),
        wide,
        MatrixView(matrix("5")),
    )


def pictures() -> tuple[Block, ...]:
    """A grey and a colour picture, alone and side by side, under hostile names."""
    grey = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
    colour = np.stack([grey, grey[::-1], np.full_like(grey, 128)], axis=2)
    before = Picture(grey, "a slope of grey " + SHORT_HOSTILE, text("before"))
    after = Picture(colour, "the same in colour", text("after ", Number(Fraction(1, 3))))
    return (
        Figure((before, after), "before & after_1", text("what the kernel does ", Code(SHORT_HOSTILE))),
        Figure((Picture(colour, "alone"),), "../évil name"),
        gallery(),
    )


def gallery() -> Gallery:
    """Cards in two groups that refer to each other, hostile words in each place that has words."""
    grey = np.arange(9, dtype=np.uint8).reshape(3, 3) * 20
    details = (
        Table((text("figure"), text("value")), ((text("gain " + SHORT_HOSTILE), text(Fraction(1, 3))),)),
        Paragraph(text("Details ", Code(SHORT_HOSTILE))),
    )

    def card(number: int, other: int) -> Card:
        return Card(
            f"filter-{number} {SHORT_HOSTILE}",
            text("Filter ", number, " <&$"),
            Picture(grey, "nine taps " + SHORT_HOSTILE),
            text("Edges <b> $ # _ | ` \\ %, 45°."),
            (text("opposite of ", Reference(text("filter ", other), f"filter-{other} {SHORT_HOSTILE}")),),
            (("norm <&$", Fraction(number, 3)), ("confidence", Fraction(1, 2))),
            details if number else (),
        )

    groups = (
        CardGroup(text("edge ", SHORT_HOSTILE), (card(0, 1), card(1, 2)), Picture(grey, "both")),
        CardGroup(text("line"), (card(2, 0),), Picture(grey.T.copy(), "one")),
    )
    return Gallery(groups, "filters & more")


def drawing() -> Drawing:
    """A drawing with every shape, hostile words in each that has words."""
    box = Polygon(((10, 10), (50, 10), (50, 60)), "front")
    line = Stroke(((60, 20), (90, 20), (150, 70)), "link", arrow=True, smooth=True)
    shapes = (Part(SHORT_HOSTILE, (box, Label((60, 60), SHORT_HOSTILE))), line)
    return Drawing(200, 100, shapes, f"Drawing of {SHORT_HOSTILE}", SHORT_HOSTILE)


def charts() -> tuple[Chart, ...]:
    """Charts of every style and scale, with gaps, points off the axis and hostile names."""
    names = ("conv1", SHORT_HOSTILE, "conv3")
    lines = (series("falling", [0.5, 0.001, 0.0]), series(SHORT_HOSTILE, [0.2, float("nan"), 0.3]))
    levels = (Level(1e-3, SHORT_HOSTILE), Level(1, "here", "x"))
    axes = Axis(SHORT_HOSTILE, categories=names), Axis("gradient", scale="log")
    bars = histogram("share", [-1, 0, 1, 2], [3, 5, 1])
    return (
        Chart(f"Chart {SHORT_HOSTILE}", *axes, lines, levels),
        Chart("Small", Axis(""), Axis(""), (bars,), size="small"),
        Chart("Points", Axis("x"), Axis("y"), (Series("dots", ((0.0, 1.0), (2.0, 3.0)), "points"), bars)),
    )


def plots() -> tuple[Block, ...]:
    """Plots and sparklines."""
    line = Sparkline((1.0, float("nan"), 3.0, 2.0))
    return (
        Paragraph(text("Rising ", Spark(line, f"from one to two {SHORT_HOSTILE}"), " in a sentence.")),
        Plot(charts(), text("Three charts of ", Code(SHORT_HOSTILE))),
    )


def sentences() -> tuple[Block, ...]:
    """Paragraphs, lists, tables, findings and code, hostile text in each place that takes text."""
    why = Explained(text("9 of ", 10), text("because ", Code(SHORT_HOSTILE)))
    table = Table(
        (text("layer"), text("size ", Symbol("n")), text("MACs | FLOPs")),
        (
            (text(Code("conv|1")), text(sizes((96, 55, 55))), text(105415200)),
            (text(SHORT_HOSTILE), text(Strong("none")), text(Fraction(1, 3))),
            ((), text("a\nb"), text(Sigmoid(Fraction(1)))),
        ),
        "lcr",
        text("cost of ", Code("alexnet.txt")),
    )
    return (
        Paragraph(
            text("A sentence with ", Strong("strong words"), ", code ", Code("--padding 1"), " and ", 3, ".")
        ),
        Paragraph(
            text("Inline ", equation(Symbol("n"), Floor(Symbol("m") / 2)), " and ", Fraction(-1, 3), ".")
        ),
        table,
        Table((text("only heads"),), ()),
        Table(
            (text("in words"), text("share")),
            (
                ((why,), (Share(Fraction(9, 10)),)),
                (text(SHORT_HOSTILE), (Share(Fraction(1, 10**6)),)),
            ),
            sortable=True,
        ),
        Plan(drawing(), text("a drawing of ", Code(SHORT_HOSTILE))),
        Listing((text("first"), text("second ", Code("x"))), ordered=True),
        Listing((text("a point"), text("another"))),
        CodeBlock("conv1: conv 11x11, 96\n\tstride 4 ``` </code>\n\\end{verbatim} \x1b[1m", "text"),
        Finding("right", text("the answer is right: ", Fraction(5, 2))),
        Finding("wrong", text("cell ", Symbol("z", (Number(Fraction(0)),)), " is wrong")),
        Finding("warning", text("half a pixel of shift")),
        Finding("note", text("cross-correlation, no flip")),
        Finding("result", text("the result is ", sizes((4, 4)))),
        Hidden(14, "output cells", text("ask for ", Code("cell(1, 2)"))),
    )


def hostile() -> tuple[Block, ...]:
    """Every hostile string in every place that takes user text."""
    return (
        *(Paragraph(text(string)) for string in HOSTILE),
        *(Paragraph(text("code ", Code(string), " and ", Strong(string))) for string in HOSTILE),
        Table((text("head"),), tuple((text(Code(string), " ", string),) for string in HOSTILE)),
        Listing(tuple(text(string) for string in HOSTILE)),
        *(CodeBlock(string, "<lang>") for string in HOSTILE),
        *(Finding("note", text(string)) for string in HOSTILE),
        *(Formula(equation(Symbol(string), Call(string, (Symbol("x"),)))) for string in HOSTILE),
        Hidden(2, HOSTILE[0], text(HOSTILE[5])),
        Section(text(SHORT_HOSTILE), (MatrixView(matrix("1"), text(HOSTILE[5])),)),
    )


def sample() -> Document:
    """The whole sample: every node of the document tree and of the formula tree."""
    return Document(
        text("Sample ", Symbol("X"), " <title> & $more$"),
        (
            Section(text("Sentences"), sentences()),
            Section(text("Formulas"), tuple(Formula(node) for node in every_expression())),
            Section(text("Matrices"), (Section(text("Inner ", Code("section")), matrices()),)),
            Section(text("Pictures"), pictures()),
            Section(text("Plots"), plots()),
            Section(text("Hostile text"), hostile()),
        ),
    )
