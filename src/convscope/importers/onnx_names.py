"""Names of layers from names of files: each its own, on one line, of bounded length."""

from __future__ import annotations

from convscope.core.network import MAX_NAME

_KEPT = MAX_NAME - 20


class Names:
    """Gives every layer a name of its own."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._last: dict[str, int] = {}

    def new(self, wanted: str, kind: str) -> str:
        """The wanted name; with a number where another layer has it, by its kind where it is empty.

        >>> names = Names()
        >>> names.new("conv", ""), names.new("conv", ""), names.new("", "dense")
        ('conv', 'conv_2', 'dense')
        """
        name = self.shown(wanted) or kind.replace(" ", "_")
        if name in self._used:
            base, number = name, self._last.get(name, 1)
            while name in self._used:
                number += 1
                name = f"{base}_{number}"
            self._last[base] = number
        self._used.add(name)
        return name

    @staticmethod
    def shown(name: str) -> str:
        r"""The name as it can be shown: signs that cannot be are written out, much too long ones cut.

        >>> Names.shown("a\nb")
        'a\\nb'
        """
        short = name if len(name) <= _KEPT else f"{name[: _KEPT - 1]}…"
        if short.isprintable():
            return short
        written = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in short)
        return written if len(written) <= _KEPT else f"{written[: _KEPT - 1]}…"
