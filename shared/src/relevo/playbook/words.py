"""Words as people type them: compared without regard to case, accents and punctuation."""

import re
import unicodedata
from functools import lru_cache

WHOLE_WORD_UP_TO = 3  # CTO, CEO, IT: as the beginning of a word they would be in half the dictionary
_APART = re.compile(r"[\W_]+")


@lru_cache(maxsize=8192)
def fold(text: str) -> str:
    """`  Jefe/a de  Producción ` → `jefe a de produccion`: lower case, no accents, single spaces between words."""
    return _APART.sub(" ", _bare(_bare(text).casefold())).strip()


def _bare(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def mentions(text: str, word: str) -> bool:
    """Whether a word of the text begins with this one: `director` is in *Directora Técnica*, not in *subdirector*.

    Words of up to three letters must be there whole: `cto` is not in *Director*, nor in *Contacto*.
    """
    wanted = fold(word)
    if not wanted:
        return False
    if len(wanted) <= WHOLE_WORD_UP_TO:
        wanted += " "
    return f" {wanted}" in f" {fold(text)} "


def mentions_any(text: str, words: list[str]) -> bool:
    return any(mentions(text, word) for word in words)
