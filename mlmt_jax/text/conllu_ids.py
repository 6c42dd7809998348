"""Ids in the first column of CoNLL-U: which lines are words, and which are ranges of words or empty nodes."""

import re

#: ``4-5``, a multi-word token that stands for words 4 and 5; ``8.1``, an empty node after word 8.
RANGE_OR_NODE = re.compile(r"([0-9]{1,9})([-.])([0-9]{1,9})")


class WordIds:
    """The ids of one sentence up to the current line.

    Other formats have similar numbers (sentence and word, chapter and verse, seconds), and there each line is
    a word. A number is a range or an empty node only if it and all ids before it are in the order of CoNLL-U.
    """

    def __init__(self):
        self._word, self._node, self._is_conllu = 0, 0, True

    def read(self, text: str) -> bool:
        """Read the id of the next line; return True for a word, False for a range or an empty node."""
        match = RANGE_OR_NODE.fullmatch(text)
        if match is None:
            if text.isascii() and text.isdecimal() and len(text) < 10:
                self._word, self._node = int(text), 0
            else:
                self._is_conllu = False
            return True
        first, second = int(match[1]), int(match[3])
        is_range = match[2] == "-" and self._word <= first < second
        is_node = match[2] == "." and (first, second) == (self._word, self._node + 1)
        if is_node:
            self._node = second
        self._is_conllu = self._is_conllu and (is_range or is_node)
        return not self._is_conllu
