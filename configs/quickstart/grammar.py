"""A generator of sentences with parts of speech and names from context-free rules.

A rule is a line of text:

    boer            a word; its part of speech is in the language's lexicon
    het/AUX         a word and its part of speech
    dis=dit+is      one printed token of two syntactic words
    {LOC}           a slot: replaced by one of its rules or names
    {LOC}?          a slot that is omitted with probability 0.5
    {LAST^}         a slot whose first letter is capitalised ("van Wyk" -> "Van Wyk")
    (a | b c | )    one of the alternatives; they may contain slots but cannot be nested
"""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

CLOSING = frozenset(",.?!:;”")
OPENING = frozenset("“")
_TRIES = 20  # draws before an option may occur twice in a sentence
_ALTERNATIVES = re.compile(r"\(([^()]*)\)")
_SLOT = re.compile(r"\{(\w+)(\^?)\}(\??)")


class Word(NamedTuple):
    """A syntactic word and its universal part of speech."""

    form: str
    upos: str


@dataclass(frozen=True)
class Token:
    """A printed token: its form, its words (several in a contraction) and the type of its name."""

    form: str
    words: tuple[Word, ...]
    entity: str = ""  # "PER", "LOC", "ORG", or empty outside names
    begins: bool = False  # true for the first token of its name

    @property
    def tag(self) -> str:
        """The IOB2 tag."""
        return f"{'B' if self.begins else 'I'}-{self.entity}" if self.entity else "O"


@dataclass(frozen=True)
class Language:
    """The words, rules and names of a language."""

    code: str
    lexicon: Mapping[str, str]  # form -> universal part of speech
    rules: Mapping[str, Sequence[str]]  # slot -> rules; slot "S" is the sentence
    names: Mapping[str, Sequence[str]]  # slot -> names
    entities: Mapping[str, str]  # slot -> type of the name it makes


@dataclass(frozen=True)
class Names:
    """The names of each slot, split into those of the training files and others."""

    familiar: Mapping[str, Sequence[str]]  # slot -> names of the training files
    held_out: Mapping[str, Sequence[str]]
    held_out_rate: float  # probability that a name is drawn from `held_out`


def pick(rng: random.Random, options: Sequence[str]) -> str:
    """Draw one option; `rng.random()` is the only stream that is the same in all versions of Python."""
    return options[int(rng.random() * len(options))]


def words(block: str) -> tuple[str, ...]:
    """Split a block at white space; an underscore is a space inside a word ("van_Wyk")."""
    return tuple(word.replace("_", " ") for word in block.split())


def rules(block: str) -> tuple[str, ...]:
    """Split a block into rules, one per line."""
    return tuple(line.strip() for line in block.strip().splitlines())


def lexicon(**forms: str) -> dict[str, str]:
    """Convert `NOUN="boer huis"` to form -> part of speech; raise `ValueError` for a form listed twice."""
    table: dict[str, str] = {}
    for upos, line in forms.items():
        for form in line.split():
            if form in table:
                raise ValueError(f"{form!r} has two parts of speech: {table[form]} and {upos}")
            table[form] = upos
    return table


class Speaker:
    """A generator of sentences of one language; it avoids using a rule or a name twice in a sentence."""

    def __init__(self, language: Language, names: Names, rng: random.Random) -> None:
        self._language = language
        self._names = names
        self._rng = rng
        self._used: set[tuple[str, str]] = set()

    def sentence(self) -> tuple[Token, ...]:
        """Draw one sentence with natural casing."""
        self._used = set()
        return _with_capitals(_without_doubled_negation(self._expand("{S}")))

    def _expand(self, rule: str) -> list[Token]:
        """Draw the tokens of a rule."""
        rule = _ALTERNATIVES.sub(lambda match: pick(self._rng, match[1].split("|")), rule)
        tokens: list[Token] = []
        for item in rule.split():
            slot = _SLOT.fullmatch(item)
            if slot is None:
                tokens.append(self._terminal(item))
            elif not slot[3] or self._rng.random() < 0.5:
                expansion = self._slot(slot[1])
                tokens += [_capitalised_token(expansion[0]), *expansion[1:]] if slot[2] else expansion
        return tokens

    def _slot(self, slot: str) -> list[Token]:
        """Draw the tokens of a slot: a name, or the expansion of one of its rules."""
        if slot in self._language.names:
            held_out = self._rng.random() < self._names.held_out_rate
            pools = self._names.held_out if held_out else self._names.familiar
            # All slots share one set of used names: a town and a surname of one form should not co-occur.
            name = self._fresh("name", pools[slot])
            return [Token(form, (Word(form, "PROPN"),)) for form in name.split()]
        expansion = self._expand(self._fresh(slot, self._language.rules[slot]))
        if slot not in self._language.entities:
            return expansion
        entity = self._language.entities[slot]
        return [replace(token, entity=entity, begins=i == 0) for i, token in enumerate(expansion)]

    def _fresh(self, kind: str, options: Sequence[str]) -> str:
        """Draw an option that the sentence does not have yet; after 20 draws, any option."""
        choice = pick(self._rng, options)
        for _ in range(_TRIES):
            if (kind, choice) not in self._used:
                break
            choice = pick(self._rng, options)
        self._used.add((kind, choice))
        return choice

    def _terminal(self, item: str) -> Token:
        """Return the token of a word, a word with its part of speech, or a contraction."""
        if "=" in item:
            form, parts = item.split("=")
            return Token(form, tuple(Word(part, self._upos(part)) for part in parts.split("+")))
        form, _, upos = item.partition("/")
        return Token(form, (Word(form, upos or self._upos(form)),))

    def _upos(self, form: str) -> str:
        """Return the part of speech of a form; raise `KeyError` if the lexicon lacks it."""
        if form in CLOSING or form in OPENING:
            return "PUNCT"
        if form[0].isdigit():
            return "NUM"
        if form not in self._language.lexicon:
            raise KeyError(f"{self._language.code}: the lexicon lacks {form!r}")
        return self._language.lexicon[form]


def text(tokens: Sequence[Token]) -> str:
    """Return the printed sentence."""
    return "".join(token.form + " " * space_after(tokens, i) for i, token in enumerate(tokens)).rstrip()


def space_after(tokens: Sequence[Token], i: int) -> bool:
    """Return True if a space follows token i; none follows the last one."""
    return i + 1 < len(tokens) and tokens[i].form not in OPENING and tokens[i + 1].form not in CLOSING


def _without_doubled_negation(tokens: list[Token]) -> list[Token]:
    """Remove the second "nie" that ends an Afrikaans negation if it directly follows the first one."""
    return [t for i, t in enumerate(tokens) if not (i and t.form == "nie" == tokens[i - 1].form)]


def _with_capitals(tokens: list[Token]) -> tuple[Token, ...]:
    """Capitalise the first word of the sentence and that of a quotation after a colon."""
    result, pending = [], True
    for i, token in enumerate(tokens):
        if token.form == "“" and i and tokens[i - 1].form == ":":
            pending = True
        # At the start of a sentence, "'n boer" is written "'n Boer" and "'s avonds" is "'s Avonds".
        if pending and token.form not in OPENING and not token.form.startswith("'"):
            token, pending = _capitalised_token(token), False
        result.append(token)
    return tuple(result)


def _capitalised_token(token: Token) -> Token:
    """Return the token with a capital first letter."""
    first, *rest = token.words
    return replace(
        token,
        form=_capitalised_form(token.form),
        words=(Word(_capitalised_form(first.form), first.upos), *rest),
    )


def _capitalised_form(form: str) -> str:
    # The Dutch digraph is one letter: "IJs".
    return "IJ" + form[2:] if form.startswith("ij") else form[:1].upper() + form[1:]
