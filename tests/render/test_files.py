from __future__ import annotations

import errno
import os
import re
import stat
import sys
from pathlib import Path

import numpy as np
import pytest
from sample import DIGITS, sample

from convscope.core.document import Document, Figure, Paragraph, Picture, text
from convscope.errors import InputError, MissingExtraError
from convscope.render import files
from convscope.render.files import FORMATS, format_of, write_document, write_whole
from convscope.render.pictures import png_bytes

PICTURE = Picture(np.arange(6, dtype=np.uint8).reshape(2, 3), "six pixels")
DOCUMENT = Document(text("Sizes"), (Paragraph(text("a sentence")), Figure((PICTURE,), "slope")))


def left_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# --- one file --------------------------------------------------------------------------------


def test_bytes_and_text_are_written_as_they_are(tmp_path: Path) -> None:
    assert write_whole(tmp_path / "a", b"\x00\r\n") == tmp_path / "a"
    write_whole(tmp_path / "b", "σ\n")
    assert left_in(tmp_path) == {"a": b"\x00\r\n", "b": "σ\n".encode()}


def test_an_older_file_is_replaced_and_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old and longer")
    path.chmod(0o640)
    write_whole(path, "new")
    assert left_in(tmp_path) == {"a": b"new"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "usual").write_text("x")
    write_whole(tmp_path / "ours", "x")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    assert write_whole(link, "new") == link
    assert link.is_symlink()
    assert target.read_text() == "new"


@pytest.mark.parametrize(
    "interruption", [KeyboardInterrupt, SystemExit, OSError(errno.ENOSPC, "No space left")]
)
@pytest.mark.parametrize("moment", ["open", "replace"])
def test_an_interrupted_write_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, interruption: BaseException
) -> None:
    """Stopped half way through the content, or with the content written and not yet in its place."""
    path = tmp_path / "a"
    path.write_text("old")
    real_open = Path.open

    def stop(*_: object) -> None:
        raise interruption

    def open_half(self: Path, *options: str) -> None:
        file = real_open(self, *options)
        file.write(b"half")
        file.flush()
        assert len(list(tmp_path.iterdir())) == 2, "the half file must be there to be left behind"
        file.close()
        raise interruption

    monkeypatch.setattr(Path, moment, open_half if moment == "open" else stop)
    expected = InputError if isinstance(interruption, OSError) else interruption
    with pytest.raises(expected):  # type: ignore[arg-type]
        write_whole(path, "new")
    monkeypatch.undo()
    assert left_in(tmp_path) == {"a": b"old"}


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "no" / "such"
    message = f"cannot write '{folder / 'a.md'}': the folder '{folder}' does not exist"
    with pytest.raises(InputError, match=re.escape(message)):
        write_whole(folder / "a.md", "x")


def test_what_is_no_plain_file_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=re.escape(f"cannot write '{tmp_path}': it is a folder")):
        write_whole(tmp_path, "x")
    with pytest.raises(InputError, match="cannot write '/dev/null': it is no plain file"):
        write_whole(Path("/dev/null"), "x")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(InputError, match="it is no plain file"):
        write_whole(pipe, "x")
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_write_protected_file_and_a_forbidden_folder_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    # The tests may run as a user whom no permission stops, so the refusals are played.
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda *_: False)
        with pytest.raises(InputError, match=re.escape(f"cannot write '{path}': it is write-protected")):
            write_whole(path, "new")

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        with pytest.raises(InputError, match=re.escape(f"cannot write '{path}': permission denied")):
            write_whole(path, "new")
    assert left_in(tmp_path) == {"a": b"old"}


@pytest.mark.parametrize("name", ["a\x00b", "x" * 300])
def test_a_name_no_system_takes_is_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"^cannot write '.*': .") as caught:
        write_whole(tmp_path / name, "x")
    assert str(caught.value).isprintable()
    assert left_in(tmp_path) == {}


# --- a document ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "known"),
    [("a.md", "md"), ("a.markdown", "md"), ("a.tex", "tex"), ("a.html", "html"), ("a.HTM", "html"),
     ("a.pdf", "pdf"), ("a.b.txt", "txt")],
)  # fmt: skip
def test_the_suffix_names_the_format(name: str, known: str) -> None:
    assert format_of(Path(name)) == known


def test_the_first_suffix_of_each_format_names_it_and_none_is_used_twice() -> None:
    assert {name: kind.suffix for name, kind in FORMATS.items()} == {name: f".{name}" for name in FORMATS}
    suffixes = [suffix for kind in FORMATS.values() for suffix in kind.suffixes]
    assert len(set(suffixes)) == len(suffixes)


def test_an_unknown_suffix_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    known = "known: .md, .markdown, .tex, .html, .htm, .pdf, .txt"
    with pytest.raises(InputError, match=rf"a.pfd' has '.pfd': did you mean '.pdf'\? {known}$"):
        write_document(DOCUMENT, tmp_path / "a.pfd", digits=DIGITS)
    with pytest.raises(InputError, match=rf"a' has no suffix: {known}$"):
        write_document(DOCUMENT, tmp_path / "a", digits=DIGITS)
    with pytest.raises(InputError, match="unknown format 'docx': known: md, tex, html, pdf, txt"):
        write_document(DOCUMENT, tmp_path / "a.md", format="docx", digits=DIGITS)
    assert left_in(tmp_path) == {}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_writes_its_file_and_linked_pictures_beside_it(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"work{FORMATS[name].suffix}"
    assert write_document(DOCUMENT, path, digits=DIGITS) == path
    written = left_in(tmp_path)
    linked = {"slope.png": png_bytes(PICTURE)} if name in ("md", "tex") else {}
    assert written == {path.name: path.read_bytes(), **linked}
    rendered = FORMATS[name].render(DOCUMENT, DIGITS)
    assert path.read_bytes() == (rendered.encode() if isinstance(rendered, str) else rendered)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_takes_the_whole_sample(name: str) -> None:
    rendered = FORMATS[name].render(sample(), DIGITS)
    assert len(rendered) > 1000


def test_the_format_counts_more_than_the_suffix(tmp_path: Path) -> None:
    path = write_document(DOCUMENT, tmp_path / "work.xyz", format="html", digits=DIGITS)
    assert path.read_text().startswith("<!DOCTYPE html>")


def test_nothing_is_written_when_rendering_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(MissingExtraError):
        write_document(DOCUMENT, tmp_path / "work.pdf", digits=DIGITS)
    broken = Document(text("t"), (Figure((Picture(np.zeros((0, 3), np.uint8), "none"),), "x"),))
    with pytest.raises(InputError, match="a picture has shape"):
        write_document(broken, tmp_path / "work.md", digits=DIGITS)
    assert left_in(tmp_path) == {}


def test_the_document_is_written_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    monkeypatch.setattr(files, "write_whole", lambda path, _: order.append(path.name))
    write_document(DOCUMENT, tmp_path / "work.md", digits=DIGITS)
    assert order == ["slope.png", "work.md"]
