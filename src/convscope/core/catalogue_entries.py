"""The table of kernels that have names: how each is built, what it does, where it comes from.

Every kernel is meant for cross-correlation: laid on the picture as it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from convscope.core import kernel_families as families
from convscope.core.array import RationalArray
from convscope.core.kernel import Kernel

SOBEL = "I. Sobel & G. Feldman, 'A 3x3 isotropic gradient operator for image processing' (1968)"
SOBEL_WIDE = "the Sobel kernel widened by binomial smoothing, as OpenCV's getDerivKernels has it"
PREWITT = "J. M. S. Prewitt, 'Object enhancement and extraction' (1970)"
SCHARR = "H. Scharr, 'Optimal operators in digital image processing' (2000), table 9.1, 3 x 3"
ROBERTS = (
    "L. G. Roberts, 'Machine perception of three-dimensional solids' (1963); signs as scikit-image has them"
)
KIRSCH = "R. A. Kirsch, 'Computer determination of the constituent structure of biological images' (1971)"
ROBINSON = "G. S. Robinson, 'Edge detection by compass gradient masks' (1977)"
FARID = (
    "H. Farid & E. P. Simoncelli, 'Differentiation of discrete multidimensional signals' (2004), "
    "table I, first order, 5 taps"
)
CANNY = "J. Canny, 'A computational approach to edge detection' (1986): the derivative of a Gaussian, sampled"
BURT = "P. Burt & E. Adelson, 'The Laplacian pyramid as a compact image code' (1983)"
MARR = "D. Marr & E. Hildreth, 'Theory of edge detection' (1980)"
GONZALEZ = "R. Gonzalez & R. Woods, 'Digital image processing', line detection"
STEERABLE = "W. Freeman & E. Adelson, 'The design and use of steerable filters' (1991)"
DAUGMAN = (
    "J. G. Daugman, 'Uncertainty relation for resolution in space, spatial frequency, and orientation' (1985)"
)
PILLOW = "Pillow's ImageFilter"
BOX = "the mean of the window"
SECOND_DIFFERENCES = "the sum of the second differences [1, -2, 1] along both axes"

DIRECTIONS = 8
# Toward which side of the picture a direction points, y down, in eighths of a turn.
SIDES = ("right", "lower right", "below", "lower left", "left", "upper left", "above", "upper right")
COMPASS = ("e", "se", "s", "sw", "w", "nw", "n", "ne")
WINDS = ("east", "southeast", "south", "southwest", "west", "northwest", "north", "northeast")
# What an edge is called by the direction across it, and a line by the direction along it.
EDGES = ("Vertical", "Diagonal", "Horizontal", "Diagonal")
LINES = {0: "Horizontal", 45: "Diagonal", 90: "Vertical", 135: "Diagonal"}
FALLING, RISING = "falling to the right", "rising to the right"


@dataclass(frozen=True, slots=True)
class Entry:
    """A kernel that has a name, before its taps are made.

    Attributes:
        name: as ``cs.kernel(name)`` reads it.
        family: what it is listed under.
        kind: what `describe` says it is.
        meaning: what it does to the picture, in a sentence or two.
        source: the paper, library or formula it comes from.
        build: makes the taps.
        orientation: in degrees, y down, as `describe` gives it; None where the kind has none.
        variant: as `describe` gives it; None where the kind has none.
        words: what else people call it, for the search.
    """

    name: str
    family: str
    kind: str
    meaning: str
    source: str
    build: Callable[[], RationalArray]
    orientation: float | None = None
    variant: str | None = None
    words: str = ""

    def kernel(self) -> Kernel:
        """The kernel itself."""
        return Kernel(self.build(), self.name, self.source, self.meaning)


def edge_meaning(eighths: int) -> str:
    """What a kernel finds whose positive taps lie toward a direction.

    >>> edge_meaning(2)
    'Horizontal edges: positive where it is dark above and bright below.'
    """
    return f"{EDGES[eighths % 4]} edges: positive where it is {_dark_and_bright(eighths)}."


def _dark_and_bright(eighths: int) -> str:
    bright, dark = SIDES[eighths % DIRECTIONS], SIDES[(eighths + DIRECTIONS // 2) % DIRECTIONS]
    places = [side if side in {"above", "below"} else f"at the {side}" for side in (dark, bright)]
    if eighths % 4 == 0:
        places = [f"on the {side}" for side in (dark, bright)]
    return f"dark {places[0]} and bright {places[1]}"


def line_meaning(angle: int, tone: str = "bright") -> str:
    """What a kernel finds whose positive taps lie in a line along an angle.

    >>> line_meaning(135)
    'Diagonal lines, rising to the right: positive on a bright line.'
    """
    slope = {45: f", {FALLING}", 135: f", {RISING}"}.get(angle, "")
    return f"{LINES[angle]} lines{slope}: positive on a {tone} line."


def _all() -> tuple[Entry, ...]:
    """Every entry, family by family."""
    return (
        *_smoothing(), *_moving(), *_gradients(), *_compass(), *_second_derivatives(),
        *_lines_and_corners(), *_enhancing(), *_gabors(), *_pillow(),
    )  # fmt: skip


# --- smoothing and moving ------------------------------------------------------------------------


def _smoothing() -> Iterator[Entry]:
    for size in (3, 5, 7):
        mean = f"Box blur: each pixel becomes the mean of {size}×{size}."
        build = partial(families.product, [1] * size, [1] * size, size * size)
        yield Entry(f"box_{size}", "box", "blur", mean, BOX, build, variant="box",
                    words="mean average uniform smooth low-pass")  # fmt: skip
    for size in (3, 5, 7):
        row = families.binomial(size)
        soft = f"Gaussian blur: a mean of {size}×{size} that counts the middle most."
        build = partial(families.product, row, row, sum(row) ** 2)
        yield Entry(f"gaussian_{size}", "Gaussian", "blur", soft, BURT, build, variant="Gaussian",
                    words="binomial smooth low-pass")  # fmt: skip
    for sigma, size in ((1, 7), (2, 13)):
        soft = f"Gaussian blur with a standard deviation of {sigma} pixel{'s' if sigma > 1 else ''}."
        yield Entry(f"gaussian_sigma_{sigma}", "Gaussian", "blur", soft,
                    "exp(-(x² + y²) / 2σ²) sampled, to three standard deviations",
                    partial(families.gaussian, size, sigma), variant="Gaussian",
                    words="sampled smooth low-pass")  # fmt: skip
    for size in (5, 9):
        for angle in (0, 45, 90, 135):
            way = {0: "to the side", 45: f"along a diagonal {FALLING}", 90: "up and down",
                   135: f"along a diagonal {RISING}"}[angle]  # fmt: skip
            moved = f"Motion blur {way}: each pixel becomes the mean of {size} in a line."
            yield Entry(f"motion_blur_{size}_{angle}", "motion blur", "blur", moved,
                        "the mean along a line of pixels", partial(families.streak, size, angle),
                        orientation=angle, variant="motion",
                        words=f"{LINES[angle]} camera shake smear directional")  # fmt: skip


def _moving() -> Iterator[Entry]:
    yield Entry("identity", "identity", "identity", "Changes nothing: each pixel stays as it is.",
                "one tap of 1 in the middle", families.identity, words="unit impulse delta")  # fmt: skip
    for name, down, right in (("right", 0, 1), ("left", 0, -1), ("down", 1, 0), ("up", -1, 0)):
        yield Entry(f"shift_{name}", "shift", "shift", f"Moves the picture {name} by one pixel.",
                    "one tap of 1 beside the middle", partial(families.shift, down, right),
                    words="translate move delta")  # fmt: skip


# --- first derivatives ---------------------------------------------------------------------------


def _pair(name: str, column: list[int], row: tuple[int, ...] | list[int], source: str, family: str,
          divisor: int = 1) -> Iterator[Entry]:  # fmt: skip
    """A derivative along x and the same along y."""
    across = partial(families.product, column, row, divisor)
    down = partial(families.product, row, column, divisor)
    yield Entry(f"{name}_x", family, "edge", edge_meaning(0), source, across, 0.0, words=GRADIENT)
    yield Entry(f"{name}_y", family, "edge", edge_meaning(2), source, down, 90.0, words=GRADIENT)


GRADIENT = "gradient derivative difference slope"
FARID_SMOOTH = [37659, 249153, 426375, 249153, 37659]
FARID_EDGE = [-109604, -276691, 0, 276691, 109604]


def _gradients() -> Iterator[Entry]:
    difference = families.DIFFERENCE
    yield from _pair("sobel", [1, 2, 1], difference, SOBEL, "Sobel")
    for size in (5, 7):
        smooth, edge = families.binomial(size), families.wide_difference(size)
        yield from _pair(f"sobel_{size}", smooth, edge, SOBEL_WIDE, "Sobel")
    yield from _pair("prewitt", [1, 1, 1], difference, PREWITT, "Prewitt")
    yield from _pair("scharr", [3, 10, 3], difference, SCHARR, "Scharr")
    yield from _pair("central_difference", [1], difference, "half of (next - previous)", "difference", 2)
    for name, cells, eighths in (
        ("roberts_pos_diag", ([-1, 0], [0, 1]), 1), ("roberts_neg_diag", ([0, -1], [1, 0]), 3)
    ):  # fmt: skip
        yield Entry(name, "Roberts", "edge", edge_meaning(eighths), ROBERTS,
                    partial(families.rows, *cells), 45.0 * eighths, words=f"{GRADIENT} cross")  # fmt: skip
    yield from _pair("farid", FARID_SMOOTH, FARID_EDGE, FARID, "Farid", 10**12)
    for name, angle in (("x", 0), ("45", 45), ("y", 90), ("135", 135)):
        yield Entry(f"gaussian_derivative_{name}", "derivative of a Gaussian", "edge",
                    edge_meaning(angle // 45), CANNY, partial(families.gaussian_derivative, 7, 1.0, angle),
                    float(angle), words=f"{GRADIENT} Canny DoG first")  # fmt: skip


KIRSCH_RING = (5, 5, 5, -3, -3, -3, -3, -3)
ROBINSON_RING = (1, 2, 1, 0, -1, -2, -1, 0)


def _compass() -> Iterator[Entry]:
    # The rings are written with their bright side above; "above" is the sixth direction.
    for eighths, letters in enumerate(COMPASS):
        turn = (eighths - SIDES.index("above")) % DIRECTIONS
        yield Entry(f"kirsch_{letters}", "Kirsch", "compass edge", edge_meaning(eighths), KIRSCH,
                    partial(families.turned_ring, KIRSCH_RING, 0, turn), 45.0 * eighths,
                    words=f"{GRADIENT} compass {WINDS[eighths]}")  # fmt: skip
    for eighths, letters in enumerate(COMPASS):
        turn = (eighths - SIDES.index("above")) % DIRECTIONS
        yield Entry(f"robinson_{letters}", "Robinson", "edge", edge_meaning(eighths), ROBINSON,
                    partial(families.turned_ring, ROBINSON_RING, 0, turn), 45.0 * eighths,
                    words=f"{GRADIENT} compass Sobel {WINDS[eighths]}")  # fmt: skip


# --- second derivatives --------------------------------------------------------------------------

DARK_SPOT = "Dark spots, and both sides of edges: positive where a pixel is darker than those about it."
BRIGHT_SPOT = "Bright spots: positive where the middle is brighter than what is about it."
SPOTS = "blob spot dot detail second derivative"


def _second_derivatives() -> Iterator[Entry]:
    plus = families.rows([0, 1, 0], [1, -4, 1], [0, 1, 0])
    yield Entry("laplacian", "Laplacian", "blob", DARK_SPOT, SECOND_DIFFERENCES,
                lambda: plus, variant="dark", words=f"{SPOTS} 4 neighbours edges")  # fmt: skip
    yield Entry("laplacian_8", "Laplacian", "blob", DARK_SPOT,
                "the eight neighbours less eight times the middle",
                partial(families.rows, [1, 1, 1], [1, -8, 1], [1, 1, 1]), variant="dark",
                words=f"{SPOTS} 8 neighbours edges")  # fmt: skip
    for size, sigma in ((7, 1.0), (9, 1.4)):
        yield Entry(f"log_{size}", "Laplacian of a Gaussian", "blob", DARK_SPOT, MARR,
                    partial(families.spot, size, sigma, dark=True),
                    variant="dark", words=f"{SPOTS} LoG Mexican hat Marr Hildreth")  # fmt: skip
    for size, sigma in ((7, 1.0), (11, 1.5)):
        build = partial(families.difference_of_gaussians, size, sigma, 1.6 * sigma)
        yield Entry(f"dog_{size}", "difference of Gaussians", "blob", BRIGHT_SPOT,
                    f"{MARR}, appendix B: standard deviations as 1 to 1.6", build, variant="bright",
                    words=f"{SPOTS} DoG band-pass centre surround")  # fmt: skip


def _lines_and_corners() -> Iterator[Entry]:
    ring = {0: (-1, -1, -1, 2, -1, -1, -1, 2), 45: (2, -1, -1, -1, 2, -1, -1, -1),
            90: (-1, 2, -1, -1, -1, 2, -1, -1), 135: (-1, -1, 2, -1, -1, -1, 2, -1)}  # fmt: skip
    for name, angle in (("horizontal", 0), ("falling", 45), ("vertical", 90), ("rising", 135)):
        yield Entry(f"line_{name}", "line", "line", line_meaning(angle), GONZALEZ,
                    partial(families.turned_ring, ring[angle], 2, 0), float(angle), "bright",
                    "ridge stroke bar thin")  # fmt: skip
    for angle in (0, 45, 90, 135):
        yield Entry(f"ridge_{angle}", "line", "line", line_meaning(angle), STEERABLE,
                    partial(families.ridge, 7, 1.0, angle), float(angle), "bright",
                    "ridge stroke bar second derivative steerable")  # fmt: skip
    yield Entry("saddle", "corner", "corner",
                "Corners and saddles: positive where it is bright at the upper left and lower right and dark "
                "at the other two corners.",
                "the mixed second difference [-1, 0, 1] along both axes",
                partial(families.product, families.DIFFERENCE, families.DIFFERENCE), variant="saddle",
                words="crossing mixed second derivative Hessian xy")  # fmt: skip
    yield Entry("checkerboard_4", "checkerboard", "checkerboard",
                "The finest checkerboard: positive where pixels are bright and dark by turns, bright at the "
                "upper left.",
                "(-1)^(i + j)",
                partial(families.checkerboard, 4), words="chess alternating noise")  # fmt: skip


# --- enhancing -----------------------------------------------------------------------------------

SHARPER = "Sharpens: each pixel is moved away from the mean of its neighbours; flat areas keep their level."


def _enhancing() -> Iterator[Entry]:
    words = "enhance detail crisp high-boost"
    yield Entry("sharpen", "sharpen", "sharpen", SHARPER, "identity minus laplacian",
                partial(families.rows, [0, -1, 0], [-1, 5, -1], [0, -1, 0]), words=words)  # fmt: skip
    yield Entry("sharpen_8", "sharpen", "sharpen", SHARPER, "identity minus laplacian_8",
                partial(families.rows, [-1, -1, -1], [-1, 9, -1], [-1, -1, -1]), words=words)  # fmt: skip
    unsharp = (
        "Unsharp mask: the picture plus what a Gaussian blur takes from it; flat areas keep their level."
    )
    row = families.binomial(5)
    yield Entry("unsharp_5", "unsharp", "unsharp", unsharp, "twice the identity minus gaussian_5",
                lambda: families.added((2, families.identity(5)), (-1, families.product(row, row, 256))),
                words=f"{words} sharpen mask")  # fmt: skip
    for eighths in range(DIRECTIONS):
        side = SIDES[(eighths + DIRECTIONS // 2) % DIRECTIONS]
        place = side if side in {"above", "below"} else f"the {side}"
        meaning = f"Emboss: a relief lit from {place}; flat areas keep their level."
        name = "emboss" if eighths == 1 else f"emboss_{COMPASS[eighths]}"
        turn = (eighths - SIDES.index("above")) % DIRECTIONS
        yield Entry(name, "emboss", "emboss", meaning, "the identity plus a difference across the picture",
                    partial(families.turned_ring, (1, 2, 1, 0, -1, -2, -1, 0), 1, turn), 45.0 * eighths,
                    words="relief bump light shadow 3D")  # fmt: skip


def _gabors() -> Iterator[Entry]:
    for phase, name, words in ((0, "gabor", "even cosine"), (90, "gabor_odd", "odd sine")):
        for angle in (0, 45, 90, 135):
            slope = {45: f", {FALLING}", 135: f", {RISING}"}.get(angle, "")
            middle = "with a bright bar in the middle"
            if phase:  # a sine falls from its middle on, and stripes along 0° follow one another downwards
                middle = f"with an edge in the middle, {_dark_and_bright(angle // 45 + 6)}"
            meaning = f"{LINES[angle]} stripes{slope}, 5 pixels from bar to bar, {middle}."
            yield Entry(f"{name}_{angle}", "Gabor", "Gabor", meaning, DAUGMAN,
                        partial(families.gabor, 13, 5.0, angle, float(phase)), float(angle),
                        words=f"texture stripes grating wave bars {words}")  # fmt: skip


# --- Pillow's ten --------------------------------------------------------------------------------


def _around(middle: int, near: int, corners: int, divisor: int = 1) -> Callable[[], RationalArray]:
    """A 3×3 of three numbers: the middle, its four neighbours, the four corners."""
    return partial(families.rows, [corners, near, corners], [near, middle, near], [corners, near, corners],
                   divisor=divisor)  # fmt: skip


def _rings(numbers: tuple[int, int, int], divisor: int) -> RationalArray:
    """A 5×5 of square rings, the middle first."""
    middle, inner, outer = numbers
    return families.added(
        (outer, families.product([1] * 5, [1] * 5, divisor)),
        (inner - outer, families.centred(families.product([1] * 3, [1] * 3, divisor), 5)),
        (middle - inner, families.centred(families.rows([1], divisor=divisor), 5)),
    )


OUTLINES = "Bright spots and outlines: positive where a pixel is brighter than those about it."
SOFTER = "Blurs gently: a mean that counts the middle most."


def _pillow() -> Iterator[Entry]:
    ten: tuple[tuple[str, str, str, str | None, Callable[[], RationalArray], str], ...] = (
        ("blur", "blur", "Blurs: each pixel becomes the mean of the ring of 16 pixels about it.", "other",
         partial(_rings, (0, 0, 1), 16), "smooth"),
        ("contour", "blob", f"{OUTLINES} Pillow adds 255: flat areas become white.", "bright",
         _around(8, -1, -1), "outline edges"),
        ("detail", "sharpen", SHARPER, None, _around(10, -1, 0, 6), "enhance"),
        ("edge_enhance", "sharpen", SHARPER, None, _around(10, -1, -1, 2), "enhance edges"),
        ("edge_enhance_more", "sharpen", SHARPER, None, _around(9, -1, -1), "enhance edges"),
        ("find_edges", "blob", OUTLINES, "bright", _around(8, -1, -1), "outline edges"),
        ("sharpen", "sharpen", SHARPER, None, _around(32, -2, -2, 16), "enhance"),
        ("smooth", "blur", SOFTER, "other", _around(5, 1, 1, 13), "low-pass"),
        ("smooth_more", "blur", SOFTER, "other", partial(_rings, (44, 5, 1), 100), "low-pass"),
    )  # fmt: skip
    for name, kind, meaning, variant, build, words in ten:
        yield Entry(f"pillow_{name}", "Pillow", kind, meaning, f"{PILLOW}.{name.upper()}", build, None,
                    variant, words)  # fmt: skip
    yield Entry("pillow_emboss", "Pillow", "edge",
                f"{edge_meaning(7)} Pillow adds 128: flat areas become grey, a relief.",
                f"{PILLOW}.EMBOSS; Pillow applies rows from the bottom up, here they stand as they act",
                partial(families.rows, [0, 0, 0], [0, 1, 0], [-1, 0, 0]), 315.0, None,
                "relief emboss bump")  # fmt: skip


ENTRIES = _all()
