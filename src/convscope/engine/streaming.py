"""Files larger than memory: a TIFF or Zarr in, a Zarr out, chunk by chunk, going on where it was stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from convscope.core.kernel import Kernel
from convscope.engine.cost import known_machine
from convscope.engine.execution import apply_like
from convscope.engine.kernels import read_kernels
from convscope.engine.plan import Plan, plan_of
from convscope.engine.request import Request, request_of
from convscope.engine.running import thread_count
from convscope.errors import InputError, MissingExtraError

CHUNK = 1024  # output rows and columns of a chunk
DONE = "convscope-done"  # in the store: one file for each finished chunk
JOB = "convscope-job.json"  # in the store: what is being computed, so that another job is not mixed in

Chunk = tuple[int, int, int, int]


def _zarr() -> Any:  # noqa: ANN401 - a module
    try:
        import zarr
    except ImportError:
        raise MissingExtraError.for_extra("streaming to .zarr", "scale") from None
    return zarr


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A Zarr array or a TIFF as one, read piece by piece while it is open; any other picture whole."""
    if not path.exists():
        raise InputError(f"{path}: no such file")
    zarr = _zarr()
    with ExitStack() as files:
        try:
            found = _source(path, zarr, files)
        except ImportError:
            raise MissingExtraError.for_extra("reading a TIFF piece by piece", "scale") from None
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{path}: cannot be read: {error}") from None
        yield found


def _source(path: Path, zarr: Any, files: ExitStack) -> Any:  # noqa: ANN401 - an array of zarr's
    if path.suffix.lower() == ".zarr":
        return zarr.open_array(str(path), mode="r")
    if path.suffix.lower() in {".tif", ".tiff"}:
        import tifffile

        file = files.enter_context(tifffile.TiffFile(path))
        store = file.aszarr()
        files.callback(store.close)
        found = zarr.open(store, mode="r")
        # A pyramid holds several sizes; the first is the picture itself.
        return found if hasattr(found, "shape") else found["0"]
    from PIL import Image

    return np.asarray(files.enter_context(Image.open(path)))


def source_shape(path: Path) -> tuple[tuple[int, ...], str]:
    """Shape and dtype of a source."""
    with opened(path) as found:
        return tuple(int(length) for length in found.shape), np.dtype(found.dtype).name


def stream(
    source: Path,
    kernel: Kernel,
    target: Path,
    *,
    scheduler: str | None = None,
    threads: int | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    flip: bool = False,
    dtype: npt.DTypeLike | None = None,
    **options: Any,  # noqa: ANN401 - apply's
) -> tuple[int, int]:
    """Apply a kernel to a file in bounded memory; a run that was stopped goes on from its finished chunks.

    The source is a TIFF (best tiled) or a Zarr array, ``(H, W)`` or ``(H, W, C)``; the target a Zarr array in
    chunks of 1024 × 1024 cells. `scheduler` is the address of a running Dask cluster; the threads of this
    machine work otherwise. `progress` is called with the number of chunks done and of all.

    Returns:
        How many chunks this run computed, and how many there are.

    Raises:
        InputError: a file that cannot be read, or a target that holds another job's chunks.
    """
    shape, kind = source_shape(source)
    if len(shape) not in {2, 3}:
        raise InputError(f"{source}: shape {shape} is not a picture; it needs (H, W) or (H, W, C)")
    (analysis,), _ = read_kernels(kernel, flip=flip)
    whole = (*shape, 1) if len(shape) == 2 else shape
    request = request_of(
        (whole[0], whole[1], whole[2]), analysis.shape, kind, flip=flip, dtype=dtype, **options
    )
    job = _job(source, analysis.weights, request)
    _open_target(target, job, request, len(shape))
    chunks = list(_chunks(request))
    missing = [chunk for chunk in chunks if not _mark(target, chunk).exists()]
    progress(len(chunks) - len(missing), len(chunks))
    plan = replace(plan_of(request, (analysis,), thread_count(None), known_machine()), threads=1)
    work = (str(source), str(target), plan)
    done = len(chunks) - len(missing)
    for _ in (
        _on_cluster(scheduler, work, missing)
        if scheduler
        else _on_threads(work, missing, thread_count(threads))
    ):
        done += 1
        progress(done, len(chunks))
    return len(missing), len(chunks)


def _job(source: Path, weights: object, request: Request) -> dict[str, str]:
    facts = source.stat()
    told = f"{source.resolve()} {facts.st_size} {facts.st_mtime_ns} {weights!r} {hash(weights)} {request}"
    return {
        "source": source.name,
        "request": str(request),
        "digest": hashlib.sha256(told.encode()).hexdigest(),
    }


def _open_target(target: Path, job: dict[str, str], request: Request, axes: int) -> None:
    note = target / JOB
    if target.exists():
        known: object = None
        with suppress(OSError, ValueError):
            known = json.loads(note.read_text(encoding="utf-8"))
        if known != job:
            raise InputError(
                f"{target}: holds something else than the unfinished result of this job; remove it first"
            )
        return
    tail = () if axes == 2 else (request.picture[2],)
    _zarr().create_array(
        store=str(target), shape=(*request.out, *tail), dtype=request.result,
        chunks=(*(max(min(CHUNK, length), 1) for length in request.out), *(max(n, 1) for n in tail)),
    )  # fmt: skip
    (target / DONE).mkdir()
    note.write_text(json.dumps(job), encoding="utf-8")


def _chunks(request: Request) -> Iterator[Chunk]:
    height, width = request.out
    for top in range(0, height, CHUNK):
        for left in range(0, width, CHUNK):
            yield top, min(top + CHUNK, height), left, min(left + CHUNK, width)


def _mark(target: Path, chunk: Chunk) -> Path:
    return target / DONE / f"{chunk[0] // CHUNK}-{chunk[2] // CHUNK}"


def window(picture: Any, request: Request, chunk: Chunk) -> npt.NDArray[Any]:  # noqa: ANN401
    """The cells that the windows of a chunk see, border included."""
    (sy, sx), (ey, ex) = request.stride, request.extent
    rows, columns = request.maps()
    rows = rows[chunk[0] * sy : (chunk[1] - 1) * sy + ey]
    columns = columns[chunk[2] * sx : (chunk[3] - 1) * sx + ex]
    part = _gather(picture, rows, columns)
    outside = np.logical_or.outer(rows < 0, columns < 0)
    if outside.any():
        if part.dtype.kind in "iu" and not float(request.value).is_integer():
            part = part.astype(np.float64)
        part[outside] = request.value
    return part


def _gather(picture: Any, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]) -> npt.NDArray[Any]:  # noqa: ANN401
    """Rows and columns by number, each read from as small a block of the file as holds them."""
    blocks = []
    for part in _pieces(rows):
        line = []
        for piece in _pieces(columns):
            top, left = int(part.min()), int(piece.min())
            block = np.asarray(picture[top : int(part.max()) + 1, left : int(piece.max()) + 1])
            line.append(block[np.ix_(part - top, piece - left)])
        blocks.append(np.concatenate(line, axis=1))
    return np.concatenate(blocks, axis=0)


def _pieces(places: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    """Runs of places near each other; a place outside the picture reads any cell, and is filled later."""
    inside = np.where(places < 0, np.max(places, initial=0, where=places >= 0), places)
    breaks = np.flatnonzero(np.abs(np.diff(inside)) > CHUNK) + 1
    return np.split(inside, breaks)


def compute_chunk(work: tuple[str, str, Plan], chunk: Chunk) -> Chunk:
    """Compute one chunk, write it, and then say that it is finished."""
    source, target, plan = work
    with opened(Path(source)) as picture:
        first_row = chunk[0] * plan.request.stride[0]
        cells = apply_like(plan, first_row, window(picture, plan.request, chunk))
    _zarr().open_array(target, mode="r+")[chunk[0] : chunk[1], chunk[2] : chunk[3]] = cells
    _mark(Path(target), chunk).touch()
    return chunk


def _on_threads(work: Any, chunks: list[Chunk], threads: int) -> Iterator[Chunk]:  # noqa: ANN401
    """Chunks as they finish; no more are under way than there are threads."""
    waiting: set[Future[Chunk]] = set()
    with ThreadPoolExecutor(threads, thread_name_prefix="convscope-stream") as pool:
        for chunk in chunks:
            waiting.add(pool.submit(compute_chunk, work, chunk))
            if len(waiting) >= threads:
                finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in finished:
                    yield future.result()
        for future in waiting:
            yield future.result()


def _on_cluster(address: str, work: Any, chunks: list[Chunk]) -> Iterator[Chunk]:  # noqa: ANN401
    """Chunks as a running Dask cluster finishes them; its workers need to see the same files."""
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise MissingExtraError.for_extra("--scheduler", "scale") from None
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise InputError(f"--scheduler {address}: no cluster answers there ({error})") from None
    with client:
        for future in as_completed(
            [client.submit(compute_chunk, work, chunk, pure=False) for chunk in chunks]
        ):
            yield future.result()
