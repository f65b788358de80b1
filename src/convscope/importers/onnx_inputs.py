"""What enters an ONNX graph: its inputs with their lengths, open ones filled in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from convscope.core.network import Input, Shape
from convscope.errors import InputError, ShapeError, UnsupportedError, nearest_name
from convscope.importers.onnx_values import checked_shape, dtype_name

# A declared axis: its length, or the letter for one that is open ("" when it has none).
Axis = int | str


class Declared:
    """An input as the file declares it; `axes` is None where it declares nothing."""

    def __init__(self, info: Any) -> None:  # noqa: ANN401 - a ValueInfoProto
        tensor = info.type.tensor_type
        self.name: str = info.name
        self.is_tensor = info.type.WhichOneof("value") in (None, "tensor_type")
        self.dtype = dtype_name(tensor.elem_type)
        self.axes: list[Axis] | None = None
        if tensor.HasField("shape"):
            self.axes = [_axis(dim) for dim in tensor.shape.dim]

    def filled(self, given: Sequence[int] | None, letters: set[str], batch: int) -> Shape:
        """The shape with its batch axis, which is set to this length; left as it is fixed where that is 0.

        Raises:
            InputError: an open axis, with the option that gives its length.
        """
        axes = self.axes
        if not self.is_tensor:
            raise UnsupportedError(f"the input {self.name!r} is a sequence or optional; arrays are read")
        if given is not None:
            return self._from_given(tuple(given), batch)
        if axes is None:
            raise InputError(
                f"the input {self.name!r} has no declared shape; {self._remedy('(3, 224, 224)')}"
            )
        found: list[int] = []
        for place, length in enumerate(axes):
            if isinstance(length, int) and length > 0:
                found.append(batch if place == 0 and len(axes) > 1 and batch else length)
            elif place == 0 or (isinstance(length, str) and length in letters):
                found.append(1)
            elif isinstance(length, int) and length < -1:
                raise ShapeError(f"the input {self.name!r} has an axis of {length} cells")
            else:
                called = f" ({length!r})" if isinstance(length, str) and length else ""
                example = ", ".join(str(n) if isinstance(n, int) and n > 0 else "…" for n in axes[1:])
                raise InputError(
                    f"axis {place}{called} of the input {self.name!r} has no fixed length; "
                    f"{self._remedy(f'({example})')}"
                )
        return checked_shape(f"the input {self.name!r}", found)

    def _remedy(self, example: str) -> str:
        return f"give input_shape, the shape of one item without its batch axis, such as {example}"

    def _from_given(self, given: Shape, batch: int) -> Shape:
        if any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in given):
            raise InputError(f"input_shape of {self.name!r} is {given!r}; lengths are positive integers")
        rank = None if self.axes is None else len(self.axes)
        if rank not in (None, len(given), len(given) + 1):
            raise InputError(
                f"input_shape of {self.name!r} has {len(given)} axes; "
                f"without the batch axis the model's input has {max((rank or 1) - 1, 0)}"
            )
        shape = given if rank == len(given) else (batch or 1, *given)
        for declared, length in zip((self.axes or ())[1:], shape[1:], strict=False):
            if isinstance(declared, int) and 0 < declared != length:
                raise InputError(
                    f"input_shape of {self.name!r} is {given!r} but the model fixes an axis at {declared}"
                )
        return checked_shape(f"the input {self.name!r}", shape)


def _axis(dim: Any) -> Axis:  # noqa: ANN401 - a Dimension
    kind = dim.WhichOneof("value")
    if kind == "dim_value":
        return int(dim.dim_value)
    return str(dim.dim_param) if kind == "dim_param" else ""


def fixed_batch(declared: Iterable[Declared]) -> int:
    """The length that the file fixes the batch axis of every input at; 1 where it leaves it open."""
    lengths = {one.axes[0] for one in declared if one.axes is not None and len(one.axes) > 1}
    only = lengths.pop() if len(lengths) == 1 else 1
    return only if isinstance(only, int) and only > 1 else 1


def filled_shapes(declared: Sequence[Declared], given: Any, batch: int) -> dict[str, Shape]:  # noqa: ANN401
    """The shape of every input, with a batch axis of this length; 0 leaves it as the file fixes it.

    Raises:
        InputError: an option that does not fit the inputs.
    """
    chosen = _chosen(declared, given)
    letters = {one.axes[0] for one in declared if one.axes and isinstance(one.axes[0], str) and one.axes[0]}
    return {one.name: one.filled(chosen.get(one.name), {str(n) for n in letters}, batch) for one in declared}


def _chosen(declared: Sequence[Declared], given: Any) -> dict[str, Sequence[int]]:  # noqa: ANN401
    """The shapes the user gave, by the input's name."""
    names = [one.name for one in declared]
    if given is None:
        return {}
    if isinstance(given, Mapping):
        for name in given:
            if name not in names:
                raise InputError(f"the model has no input {name!r}; {nearest_name(str(name), names[:12])}")
        return {str(name): _shape(shape) for name, shape in given.items()}
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise InputError(f"input_shape={given!r} is not a shape such as (3, 224, 224)")
    several = given and all(isinstance(one, Sequence) and not isinstance(one, str) for one in given)
    shapes = [_shape(one) for one in given] if several else [_shape(given)]
    if len(shapes) > len(names):
        raise InputError(f"input_shape holds {len(shapes)} shapes but the model has {len(names)} inputs")
    return dict(zip(names, shapes, strict=False))


def _shape(value: Any) -> Sequence[int]:  # noqa: ANN401
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise InputError(f"input_shape holds {value!r}, which is not a shape such as (3, 224, 224)")
    return value


def graph_input(name: str, item: Shape, dtype: str) -> Input:
    """The input of the network."""
    return Input(name, item, dtype if dtype != "undefined" else "float32")
