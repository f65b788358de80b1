"""``convscope apply``: a kernel over picture files, folders of them, or files larger than memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

import convscope as cs
from convscope.cli.output import TERMINAL, digits_option, emit, emit_json, json_option, to_option
from convscope.cli.picture_files import SUFFIXES, apply_to_file, picture_shape
from convscope.cli.progress import ProgressBar
from convscope.cli.values import dilation_option, given_text, stride_option
from convscope.errors import InputError

STORES = (".zarr",)


@click.command("apply")
@click.argument("kernel")
@click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The file, folder or .zarr to write.")
@click.option("--border", default="reflect", show_default=True, help="What lies outside the picture.")
@click.option("--value", type=float, default=0.0, help="The number that --border constant holds.")
@stride_option
@dilation_option
@click.option("--flip/--no-flip", help="True convolution: rotate the kernel first.")
@click.option(
    "--signed", is_flag=True, help="Show negative answers too: grey is 0, dark below, bright above."
)
@click.option("--plan", "show_plan", is_flag=True, help="Show how it would be computed, and write nothing.")
@click.option("--threads", type=click.IntRange(1, 256), help="How many threads may work; all when left out.")
@click.option(
    "--scheduler", metavar="ADDRESS", help="A running Dask cluster for .zarr output: tcp://host:8786."
)
@to_option
@digits_option
@json_option
def command(
    kernel: str,
    images: tuple[Path, ...],
    output: Path | None,
    scheduler: str | None,
    to: str | None,
    digits: int,
    *,
    as_json: bool,
    signed: bool,
    show_plan: bool,
    **options: Any,  # noqa: ANN401 - the options of cs.apply
) -> None:
    r"""Apply KERNEL (a name such as sobel_x, or a matrix) to each IMAGE: files, or folders of them.

    \b
    convscope apply sobel_x photo.jpg -o edges.png --signed
    convscope apply gaussian_5 photos/ -o blurred/
    convscope apply sobel_x huge.tif -o out.zarr
    """
    weights = cs.kernel(given_text(kernel))
    if show_plan:
        _show_plans(weights, images, options, None if as_json else to or TERMINAL, digits)
        return
    if to is not None:
        raise InputError("--to is the form of a plan; give --plan too")
    if output is None:
        raise InputError("apply needs -o: the file, folder or .zarr to write")
    if output.suffix.lower() in STORES:
        done, total = _stream(weights, images, output, scheduler, options)
        again = f", {total - done} of them were there already" if done < total else ""
        facts = {"written": [str(output)], "chunks": total, "chunks_kept": total - done}
        _tell(f"wrote {output}: {total} chunks{again}", facts if as_json else None, digits)
        return
    if scheduler is not None:
        raise InputError("--scheduler is for files larger than memory; give -o a name that ends in .zarr")
    pairs = list(destinations(images, output))
    with ProgressBar("applying") as progress:
        for done, (source, target) in enumerate(pairs):
            progress(done, len(pairs))
            apply_to_file(weights, source, target, signed=signed, options=options)
    line = f"wrote {output}" if len(pairs) == 1 else f"wrote {len(pairs)} pictures to {output}"
    _tell(line, {"written": [str(target) for _, target in pairs]} if as_json else None, digits)


def _tell(line: str, facts: dict[str, Any] | None, digits: int) -> None:
    """What was written: a line for a person, or facts for a program."""
    if facts is None:
        click.echo(line)
    else:
        emit_json(facts, digits)


def _show_plans(
    weights: cs.Kernel, images: Sequence[Path], options: dict[str, Any], to: str | None, digits: int
) -> None:
    """The plan of each picture in a form, or as facts when that is None."""
    facts = []
    for source, _ in destinations(images, Path()):
        shape, dtype = picture_shape(source)
        plan = cs.plan(weights, shape, dtype, **options)
        if to is None:
            facts.append({"picture": str(source), "shape": list(shape), "dtype": dtype, **plan.facts()})
        else:
            emit(plan, to=to, output=None, digits=digits)
    if to is None:
        emit_json({"plans": facts}, digits)


def _stream(
    weights: cs.Kernel, images: Sequence[Path], output: Path, scheduler: str | None, options: dict[str, Any]
) -> tuple[int, int]:
    """Chunks written now, and all of them."""
    from convscope.engine.streaming import stream

    if len(images) != 1:
        raise InputError(f"a .zarr holds one picture, got {len(images)}")
    with ProgressBar("applying", patience=0.5) as progress:
        return stream(images[0], weights, output, scheduler=scheduler, progress=progress, **options)


def destinations(images: Sequence[Path], output: Path) -> Iterator[tuple[Path, Path]]:
    """Each picture with the file it becomes: a folder's pictures keep their names in the output folder."""
    several = len(images) > 1
    for image in images:
        if image.is_dir():
            found = sorted(path for path in image.rglob("*") if path.suffix.lower() in SUFFIXES)
            if not found:
                raise InputError(f"{image}: no pictures here; read are {', '.join(SUFFIXES)}")
            for path in found:
                yield path, output / path.relative_to(image)
        elif not image.exists():
            raise InputError(f"{image}: no such file or folder")
        else:
            into_folder = several or output.is_dir() or not output.suffix
            yield image, output / image.name if into_folder else output
