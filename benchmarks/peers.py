"""The peers, each at its best: the right call for the kernel, threads on, output ready where it can be."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import scipy
import skimage
import torch
from PIL import Image, ImageFilter
from scipy import ndimage, signal
from skimage import filters

Array = npt.NDArray[np.generic]
Run = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """A kernel of the table; the extra facts are what a person who knows its structure would tell a peer."""

    name: str
    weights: npt.NDArray[np.float64]
    column: npt.NDArray[np.float64] | None = None
    row: npt.NDArray[np.float64] | None = None
    box: bool = False
    sigma: float = 0.0

    @property
    def taps(self) -> int:
        """How many are not zero."""
        return int(np.count_nonzero(self.weights))


def gaussian(taps: int) -> Case:
    """A sampled Gaussian that reaches three deviations."""
    sigma = taps / 6
    row = cv2.getGaussianKernel(taps, sigma).ravel()
    return Case(f"gaussian {taps}", np.outer(row, row), row, row, sigma=sigma)


def separable(name: str, column: list[float], row: list[float]) -> Case:
    """The product of a column and a row."""
    tall, wide = np.array(column, dtype=float), np.array(row, dtype=float)
    return Case(name, np.outer(tall, wide), tall, wide)


def cases() -> Iterator[Case]:
    """The kernels of the table."""
    rng = np.random.default_rng(4)
    for size in (3, 5, 7, 9, 11, 15, 21, 31):
        weights = rng.normal(size=(size, size)).astype(np.float32).astype(np.float64)
        yield Case(f"random {size}", weights / np.abs(weights).sum())
    yield separable("sobel", [1, 2, 1], [-1, 0, 1])
    yield from (gaussian(size) for size in (5, 15, 31))
    for size in (3, 15, 31):
        row = np.full(size, 1 / size)
        yield Case(f"box {size}", np.full((size, size), 1 / size**2), row, row, box=True)
    cross = np.zeros((7, 7))
    cross[3], cross[:, 3] = 1 / 13, 1 / 13
    yield Case("cross 7", cross)
    two = np.zeros((1, 31))
    two[0, 0], two[0, -1] = -1, 1
    yield Case("two taps 31 apart", two)
    yield Case("motion blur 15", np.eye(15) / 15)
    wide = rng.normal(size=15).astype(np.float32).astype(np.float64)
    yield Case("1 x 15", wide[None], np.ones(1), wide)
    yield Case("15 x 1", wide[:, None], wide, np.ones(1))


def opencv(case: Case, image: Array, out: Array) -> Iterator[tuple[str, Run]]:
    """filter2D, and the special calls where they apply; float32 results and a zero border, as convscope's."""
    depth, border = cv2.CV_32F, cv2.BORDER_CONSTANT
    kernel = case.weights.astype(np.float32)
    yield "filter2D", lambda: cv2.filter2D(image, depth, kernel, dst=out, borderType=border)
    if case.column is not None and case.row is not None:
        column, row = case.column.astype(np.float32), case.row.astype(np.float32)
        yield "sepFilter2D", lambda: cv2.sepFilter2D(image, depth, row, column, dst=out, borderType=border)
    if case.box:
        size = case.weights.shape[::-1]
        yield "boxFilter", lambda: cv2.boxFilter(image, depth, size, dst=out, borderType=border)
    if case.sigma and image.dtype == np.float32:
        size = case.weights.shape[::-1]
        yield "GaussianBlur", lambda: cv2.GaussianBlur(image, size, case.sigma, dst=out, borderType=border)


def scipys(case: Case, image: Array, out: Array) -> Iterator[tuple[str, Run]]:
    """SciPy: ndimage in float32, one axis at a time where the kernel allows it, and oaconvolve."""
    deep = image.ndim == 3
    weights = case.weights[..., None] if deep else case.weights
    if case.box:
        size = (*case.weights.shape, *((1,) if deep else ()))
        yield (
            "ndimage.uniform_filter",
            lambda: ndimage.uniform_filter(image, size, output=out, mode="constant"),
        )
    elif case.column is not None and case.row is not None:
        column, row = case.column, case.row

        def both() -> None:
            between = ndimage.correlate1d(image, column, 0, output=np.float32, mode="constant")
            ndimage.correlate1d(between, row, 1, output=out, mode="constant")

        yield "ndimage.correlate1d twice", both
    else:
        yield "ndimage.correlate", lambda: ndimage.correlate(image, weights, output=out, mode="constant")
    if min(case.weights.shape) >= 7:
        turned = np.ascontiguousarray(weights[::-1, ::-1]).astype(np.float32)
        floats = image.astype(np.float32)
        yield "signal.oaconvolve", lambda: signal.oaconvolve(floats, turned, mode="same", axes=(0, 1))


def others(case: Case, image: Array) -> Iterator[tuple[str, Run]]:
    """scikit-image and Pillow where they have the filter, PyTorch always."""
    channels = image.shape[2] if image.ndim == 3 else 1
    axis = -1 if image.ndim == 3 else None
    if case.sigma:
        floats = image.astype(np.float32)
        yield "skimage.gaussian", lambda: filters.gaussian(
            floats, case.sigma, mode="constant", truncate=(case.weights.shape[0] // 2) / case.sigma,
            channel_axis=axis, preserve_range=True,
        )  # fmt: skip
    if case.name == "sobel" and image.ndim == 2:
        grey = image.astype(np.float32)
        yield "skimage.sobel_v", lambda: filters.sobel_v(grey)
    if image.dtype == np.uint8 and case.weights.shape in {(3, 3), (5, 5)}:
        picture = Image.fromarray(image)
        kernel = ImageFilter.Kernel(case.weights.shape, case.weights.ravel().tolist(), scale=1)
        yield "PIL.Kernel (8-bit result)", lambda: picture.filter(kernel)
    if image.dtype == np.uint8 and case.box:
        picture = Image.fromarray(image)
        blur = ImageFilter.BoxBlur(case.weights.shape[0] // 2)
        yield "PIL.BoxBlur (8-bit result)", lambda: picture.filter(blur)
    planes = np.ascontiguousarray(np.moveaxis(image, 2, 0) if image.ndim == 3 else image[None])
    tensor = torch.from_numpy(planes.astype(np.float32))[None]
    weight = torch.from_numpy(case.weights.astype(np.float32))[None, None].repeat(channels, 1, 1, 1)
    padding = (case.weights.shape[0] // 2, case.weights.shape[1] // 2)

    def convolve() -> object:
        with torch.inference_mode():
            return torch.nn.functional.conv2d(tensor, weight, padding=padding, groups=channels)

    yield "torch.conv2d", convolve


def versions() -> dict[str, str]:
    """What was measured."""
    import numba

    import convscope

    return {
        "convscope": convscope.__version__, "numba": numba.__version__, "numpy": np.__version__,
        "opencv": cv2.__version__, "scipy": scipy.__version__, "skimage": skimage.__version__,
        "pillow": Image.__version__, "torch": torch.__version__, "cpus": str(os.cpu_count()),
    }  # fmt: skip
