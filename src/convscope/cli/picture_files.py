"""Picture files in and out: orientation obeyed, 16 bits kept, alpha untouched, written whole or never."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import convscope as cs
from convscope.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")
SIXTEEN_BITS = (".png", ".tif", ".tiff")
GREY = {"uint8": 128, "uint16": 32768}
JPEG_QUALITY = 95

Pixels = npt.NDArray[Any]


def open_picture(path: Path) -> Image:
    """The picture as its maker meant it: turned as its EXIF orientation says."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            picture.load()
            turned = ImageOps.exif_transpose(picture)
    except UnidentifiedImageError:
        raise InputError(f"{path}: not a picture; read are {', '.join(SUFFIXES)}") from None
    except Image.DecompressionBombError as error:
        raise InputError(f"{path}: {error}; write to a .zarr to stream it") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return turned


def pixels(picture: Image) -> tuple[Pixels, Pixels | None]:
    """Colours ``(H, W)`` or ``(H, W, 3)``, uint8 or uint16 or float32, and alpha where there is one."""
    mode = picture.mode
    if mode in {"I;16", "I;16B", "I;16L"}:
        return np.asarray(picture).astype(np.uint16), None
    if mode == "I":
        numbers = np.asarray(picture)
        fits = numbers.size == 0 or (numbers.min() >= 0 and numbers.max() < 2**16)
        return (numbers.astype(np.uint16) if fits else numbers.astype(np.int32)), None
    if mode == "F":
        return np.asarray(picture, dtype=np.float32), None
    if mode == "1":
        return np.asarray(picture.convert("L")), None
    if mode == "L":
        return np.asarray(picture), None
    if mode == "LA":
        both = np.asarray(picture)
        return both[..., 0], both[..., 1]
    if mode in {"RGBA", "PA"} or "transparency" in picture.info:
        all_four = np.asarray(picture.convert("RGBA"))
        return all_four[..., :3], all_four[..., 3]
    return np.asarray(picture.convert("RGB")), None


def picture_shape(path: Path) -> tuple[tuple[int, ...], str]:
    """Shape and dtype of the colours of a file."""
    if path.suffix.lower() == ".zarr":
        from convscope.engine.streaming import source_shape

        return source_shape(path)
    colours, _ = pixels(open_picture(path))
    return colours.shape, colours.dtype.name


def signed_pixels(answer: Pixels, dtype: str) -> Pixels:
    """A diverging picture: 0 becomes middle grey, and the largest answer reaches black or white."""
    grey = GREY[dtype]
    largest = (
        float(np.abs(answer, where=np.isfinite(answer), out=np.zeros_like(answer)).max(initial=0.0)) or 1.0
    )
    scaled = np.rint(np.nan_to_num(answer, nan=0.0) * ((grey - 1) / largest)) + grey
    found: Pixels = np.clip(scaled, 0, 2 * grey - 1).astype(dtype)
    return found


def apply_to_file(
    kernel: cs.Kernel, source: Path, target: Path, *, signed: bool, options: dict[str, Any]
) -> None:
    """Apply the kernel to one picture file and write the result."""
    if target.suffix.lower() not in SUFFIXES:
        raise InputError(
            f"{target}: '{target.suffix}' cannot be written; known: {', '.join((*SUFFIXES, '.zarr'))}"
        )
    picture = open_picture(source)
    colours, alpha = pixels(picture)
    dtype = colours.dtype.name if colours.dtype.name in GREY else "uint8"
    if dtype == "uint16" and target.suffix.lower() not in SIXTEEN_BITS:
        raise InputError(
            f"{target}: 16 bits cannot be kept in '{target.suffix}'; write one of {', '.join(SIXTEEN_BITS)}"
        )
    if signed:
        result = signed_pixels(cs.apply(colours, kernel, **options), dtype)
    else:
        result = cs.apply(colours, kernel, dtype=dtype, **options)
    if alpha is not None:
        result = _with_alpha(result, alpha, target)
    save(result, target, picture.info.get("icc_profile"))


def _with_alpha(result: Pixels, alpha: Pixels, target: Path) -> Pixels:
    if alpha.shape != result.shape[:2]:
        raise InputError(
            f"{target}: the result is {result.shape[:2]} cells but alpha is {alpha.shape}; "
            "alpha is kept only where the size is (--stride 1, --border not valid)"
        )
    if target.suffix.lower() in {".jpg", ".jpeg", ".bmp"}:
        raise InputError(f"{target}: '{target.suffix}' has no alpha; write .png, .tif or .webp")
    return np.dstack([result, alpha])


def save(result: Pixels, target: Path, profile: bytes | None = None) -> None:
    """Write a picture whole or not at all."""
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(result))
    target.parent.mkdir(parents=True, exist_ok=True)
    settings: dict[str, Any] = {} if profile is None else {"icc_profile": profile}
    if target.suffix.lower() in {".jpg", ".jpeg"}:
        settings |= {"quality": JPEG_QUALITY, "subsampling": 0}
    if target.suffix.lower() == ".webp":
        settings["lossless"] = True
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".convscope-", suffix=target.suffix)
    try:
        with os.fdopen(handle, "wb") as file:
            picture.save(file, format=Image.registered_extensions()[target.suffix.lower()], **settings)
        # mkstemp's files are private; a picture gets the permissions a new file would have.
        mask = os.umask(0)
        os.umask(mask)
        Path(temporary).chmod(0o666 & ~mask)
        Path(temporary).replace(target)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
