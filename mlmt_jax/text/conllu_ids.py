"""The first column of CoNLL-U: which lines are words, and which are ranges of words or empty nodes."""

import re

__all__ = ["RANGE_OR_NODE", "WordIds"]

#: ``4-5``, the range of words that a token on the page stands for; ``8.1``, a node without a word.
RANGE_OR_NODE = re.compile(r"([0-9]{1,9})([-.])([0-9]{1,9})")


class WordIds:
    """The ids of one sentence, in the order of its lines.

    Other formats have such numbers too (sentence and word, chapter and verse, seconds), and there each line
    is a word: so they count for what they are in CoNLL-U where they stand as they do there alone.
    """

    def __init__(self):
        self._word, self._node, self._is_conllu = 0, 0, True

    def word(self, text: str) -> None:
        """Takes in the id of a word, which is no range and no node by its looks."""
        if text.isascii() and text.isdecimal() and len(text) < 10:
            self._word, self._node = int(text), 0
        else:
            self._is_conllu = False

    def range_or_node(self, found: re.Match[str]) -> bool:
        """Whether what matches ``RANGE_OR_NODE`` is one behind the ids before it; else it is a word's."""
        first, second = int(found[1]), int(found[3])
        if self._is_conllu and found[2] == "-" and self._word <= first < second:
            return True
        if self._is_conllu and found[2] == "." and (first, second) == (self._word, self._node + 1):
            self._node = second
            return True
        self._is_conllu = False
        return False
