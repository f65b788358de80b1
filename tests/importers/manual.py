"""The two tables of `docs/network_text.md` as the code has them: run it to see them."""

from __future__ import annotations

from convscope.importers.text_words import WORDS, Option, Word

DEFINITIONS = list({id(word): word for word in WORDS.values()}.values())


def table(heads: list[str], rows: list[list[str]]) -> list[str]:
    return ["| " + " | ".join(cells) + " |" for cells in (heads, ["---"] * len(heads), *rows)]


def codes(words: list[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def option_word(option: Option) -> str:
    return option.word + ("*" if option.required else "")


def word_row(word: Word) -> list[str]:
    unnamed = [option_word(option) for option in word.options[: word.positional]]
    named = [option_word(option) for option in word.options[word.positional :]]
    automatic = "input" if word.name == "input" else f"{word.auto_name}1"
    return [codes([word.name, *word.aliases]), codes(unnamed), codes(named), f"`{automatic}`"]


def word_table() -> list[str]:
    return table(["word", "options in order", "options by name", "named"], [word_row(w) for w in DEFINITIONS])


def option_table() -> list[str]:
    users: dict[tuple[str, str, str], list[str]] = {}
    for word in DEFINITIONS:
        for option in word.options:
            users.setdefault((option.word, option.parameter, option.kind.told), []).append(word.name)
    return table(
        ["option", "in Python", "written", "of"],
        [[f"`{word}`", f"`{name}`", told, codes(of)] for (word, name, told), of in users.items()],
    )


if __name__ == "__main__":
    print("\n".join([*word_table(), "", *option_table()]))  # noqa: T201
