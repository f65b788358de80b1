"""Arrays and files larger than memory give the numbers that memory gives."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import tifffile
import zarr

import convscope as cs
from convscope.engine import streaming
from convscope.engine.cost import Machine
from convscope.engine.streaming import stream

BORDERS = ["zero", "constant", "reflect", "symmetric", "replicate", "wrap", "valid"]


@pytest.fixture(autouse=True)
def _compiled_code_serves(monkeypatch):
    monkeypatch.setattr("convscope.engine.execution.PATIENCE", -1.0)
    monkeypatch.setattr(streaming, "CHUNK", 32)


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("stride", [1, (3, 2)])
def test_a_dask_array_gives_the_same_numbers(border, stride):
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (70, 55, 3), dtype=np.uint8)
    options = {"border": border, "stride": stride, "value": 7 if border == "constant" else 0}
    for kernel in (rng.normal(size=(5, 4)), np.ones((7, 7)) / 49, "sobel_x"):
        lazy = cs.apply(da.from_array(image, chunks=(30, 20, 3)), kernel, **options)
        assert isinstance(lazy, da.Array)
        wanted = cs.apply(image, kernel, **options)
        assert lazy.shape == wanted.shape
        assert lazy.dtype == wanted.dtype
        assert np.array_equal(lazy.compute(), wanted)


@pytest.mark.parametrize("border", ["zero", "wrap", "valid"])
def test_window_sums_of_a_part_are_those_of_the_whole(border, monkeypatch):
    for module in ("apply", "scale"):  # where window sums are cheap, whatever this machine is
        monkeypatch.setattr(f"convscope.engine.{module}.known_machine", lambda: Machine(sums=1e12))
    # Floats, whose sums depend on the order: the groups of rows are counted from the top of the whole.
    image = np.random.default_rng(4).normal(size=(90, 200)).astype(np.float32)
    kernel = np.ones((23, 15)) / 345
    wanted = cs.apply(image, kernel, border=border)
    assert cs.plan(kernel, image.shape, image.dtype, border=border).method == "box"
    for chunks in ((90, 200), (17, 50), (31, 64)):
        lazy = cs.apply(da.from_array(image, chunks=chunks), kernel, border=border)
        assert np.array_equal(lazy.compute(), wanted)


def test_what_a_dask_array_cannot_do_is_told():
    lazy = da.ones((8, 8))
    with pytest.raises(cs.InputError, match="out is for arrays in memory"):
        cs.apply(lazy, "1", out=np.ones((8, 8)))
    with pytest.raises(cs.InputError, match="several kernels at once"):
        cs.apply(lazy, np.ones((2, 3, 3)))
    with pytest.raises(cs.ShapeError, match="a dask array of shape"):
        cs.apply(da.ones((1, 2, 8, 8)), "1")


@pytest.mark.parametrize("border", BORDERS)
def test_a_file_is_streamed_and_resumed(tmp_path, monkeypatch, border):
    rng = np.random.default_rng(2)
    image = rng.integers(0, 256, (90, 75, 3), dtype=np.uint8)
    source, target = tmp_path / "in.tif", tmp_path / "out.zarr"
    tifffile.imwrite(source, image, tile=(32, 32))
    kernel, options = cs.kernel("sobel_x"), {"border": border, "value": 9 if border == "constant" else 0}
    real, computed = streaming.compute_chunk, []

    def stopped(work, chunk):
        if len(computed) == 4:
            raise KeyboardInterrupt
        computed.append(chunk)
        return real(work, chunk)

    monkeypatch.setattr(streaming, "compute_chunk", stopped)
    with pytest.raises(KeyboardInterrupt):
        stream(source, kernel, target, threads=1, **options)
    monkeypatch.setattr(streaming, "compute_chunk", real)
    seen = []
    done, total = stream(source, kernel, target, threads=2, progress=lambda *n: seen.append(n), **options)
    assert (done, total) == (total - 4, 9)
    assert seen[0] == (4, 9)
    assert seen[-1] == (9, 9)
    assert np.array_equal(zarr.open_array(str(target))[:], cs.apply(image, kernel, **options))
    assert stream(source, kernel, target, **options) == (0, 9)
    with pytest.raises(cs.InputError, match="holds something else"):
        stream(source, cs.kernel("sobel_y"), target, **options)


def test_a_zarr_and_a_stride(tmp_path):
    image = np.random.default_rng(3).normal(size=(101, 67)).astype(np.float32)
    zarr.create_array(store=str(tmp_path / "in.zarr"), data=image, chunks=(40, 40))
    stream(tmp_path / "in.zarr", cs.kernel("gaussian_5"), tmp_path / "out.zarr", stride=(2, 3), border="wrap")
    found = zarr.open_array(str(tmp_path / "out.zarr"))[:]
    assert np.array_equal(found, cs.apply(image, "gaussian_5", stride=(2, 3), border="wrap"))


@pytest.mark.slow
def test_a_running_cluster_gives_the_same_numbers(tmp_path):
    from distributed import LocalCluster

    image = np.random.default_rng(5).integers(0, 256, (90, 75, 3), dtype=np.uint8)
    source, target = tmp_path / "in.tif", tmp_path / "out.zarr"
    tifffile.imwrite(source, image, tile=(32, 32))
    with LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None) as cluster:
        done, total = stream(
            source, cs.kernel("gaussian_5"), target, scheduler=cluster.scheduler_address, border="reflect"
        )
    assert (done, total) == (9, 9)
    assert np.array_equal(zarr.open_array(str(target))[:], cs.apply(image, "gaussian_5", border="reflect"))


def test_sources_that_cannot_be_read_are_told(tmp_path):
    with pytest.raises(cs.InputError, match="no such file"):
        stream(tmp_path / "none.tif", cs.kernel("1"), tmp_path / "out.zarr")
    (tmp_path / "bad.tif").write_bytes(b"no picture")
    with pytest.raises(cs.InputError, match="cannot be read"):
        stream(tmp_path / "bad.tif", cs.kernel("1"), tmp_path / "out.zarr")
