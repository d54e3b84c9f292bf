"""What was probably meant by a name that is not known.

did_you_mean("--lr", ["--epochs", "--learning_rate"])     # "; did you mean --learning_rate?"
"""

import difflib
from collections.abc import Iterable

SIMILAR = 0.6  # difflib's measure, 1 for the same word


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """End a message about an unknown name with the known one that was probably meant, if any."""
    name = nearest(word, names)
    return f"; did you mean {name}?" if name else ""


def nearest(word: str, names: Iterable[str]) -> str:
    """The known name that a word probably means; empty if none is near.

    Case, dashes and underscores make no difference. Then count: the name's beginning or end, its
    initials, similar spelling.
    """
    by_letters = {letters_of(name): name for name in names}
    letters = letters_of(word)
    if not letters:
        return ""
    for known, name in by_letters.items():
        if known.startswith(letters) or letters == initials_of(name):
            return name
        if known.endswith(letters) and len(letters) > 2:
            return name
    similar = difflib.get_close_matches(letters, by_letters, n=1, cutoff=SIMILAR)
    return by_letters[similar[0]] if similar else ""


def letters_of(name: str) -> str:
    """A name without case, dashes and underscores."""
    return name.lower().replace("-", "").replace("_", "")


def initials_of(name: str) -> str:
    """The first letters of a name's words: learning_rate -> lr."""
    words = name.lower().strip("-").split("_")
    return "".join(word[:1] for word in words)
