"""Showable: what a result gains by saying `document()`. The one place where a value meets a renderer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from os import PathLike

    from convscope.core.document import Document
    from convscope.core.drawing import Drawing
    from convscope.core.kernel_picture import Pixels

DEFAULT_DIGITS = 4


class Showable(ABC):
    """A result that can be shown: on the terminal, as Markdown, LaTeX, HTML or PDF, in a notebook.

    A subclass says `document()`; every renderer reads that same document.
    """

    @abstractmethod
    def document(self) -> Document:
        """The result as a document: facts and sentences, nothing rendered yet."""

    def to_text(self, digits: int = DEFAULT_DIGITS, width: int = 100) -> str:
        """Plain text as the terminal shows it, without colour, `width` columns wide."""
        from convscope.render.terminal import to_text

        return to_text(self.document(), digits=digits, width=width)

    def to_markdown(self, digits: int = DEFAULT_DIGITS) -> str:
        """GitHub-flavoured Markdown, formulas in dollars; pictures are named as `save` writes them."""
        from convscope.render.markdown import to_markdown

        return to_markdown(self.document(), digits=digits)

    def to_latex(self, digits: int = DEFAULT_DIGITS) -> str:
        """A LaTeX file that compiles with standard packages only; pictures as `save` writes them."""
        from convscope.render.latex import to_latex

        return to_latex(self.document(), digits=digits)

    def to_html(self, digits: int = DEFAULT_DIGITS) -> str:
        """One self-contained HTML page; formulas are MathML, nothing is fetched, no script is needed."""
        from convscope.render.html import to_html

        return to_html(self.document(), digits=digits)

    def to_pdf(self, path: str | PathLike[str], digits: int = DEFAULT_DIGITS) -> Path:
        """Write a PDF to `path` and return it.

        Raises:
            MissingExtraError: the extra ``pdf`` (the typst package) is not installed.
        """
        from convscope.render.files import write_document

        return write_document(self.document(), Path(path), format="pdf", digits=digits)

    def save(self, path: str | PathLike[str], digits: int = DEFAULT_DIGITS) -> Path:
        """Write the file its suffix names (.md, .tex, .html, .pdf, .txt), with its pictures beside it."""
        from convscope.render.files import write_document

        return write_document(self.document(), Path(path), digits=digits)

    def _repr_html_(self) -> str:
        from convscope.render.html import to_fragment

        return to_fragment(self.document(), digits=DEFAULT_DIGITS)

    def _repr_latex_(self) -> str:
        from convscope.render.latex import to_fragment

        return to_fragment(self.document(), digits=DEFAULT_DIGITS)


class Drawn(Showable):
    """A result that is a drawing: shown as SVG in a notebook, and written as a file of its own."""

    drawing: Drawing

    @property
    def svg(self) -> str:
        """The drawing as the content of an SVG file."""
        from convscope.render.svg import to_svg

        return to_svg(self.drawing)

    def save(self, path: str | PathLike[str], digits: int = DEFAULT_DIGITS) -> Path:
        """Write the drawing as SVG, or as the document that another suffix names."""
        from convscope.render.files import write_whole

        if Path(path).suffix.lower() == ".svg":
            return write_whole(Path(path), self.svg)
        return super().save(path, digits)

    def _repr_svg_(self) -> str:
        return self.svg


class Pictured(Showable):
    """A result that has a figure of pixels: written as a PNG file, besides the forms of its document."""

    @abstractmethod
    def figure(self) -> Pixels:
        """The figure as pixels, ``(H, W, 3)`` of uint8."""

    def save(self, path: str | PathLike[str], digits: int = DEFAULT_DIGITS) -> Path:
        """Write the figure as ``.png``, or the document that another suffix names (.html, .pdf, .md, …)."""
        from convscope.core.document import Picture
        from convscope.render.files import format_of, write_whole
        from convscope.render.pictures import png_bytes

        if Path(path).suffix.lower() == ".png":
            return write_whole(Path(path), png_bytes(Picture(self.figure(), "figure")))
        format_of(Path(path), also=(".png",))
        return super().save(path, digits)
