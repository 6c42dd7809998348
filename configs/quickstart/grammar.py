"""From context-free rules to sentences whose words carry parts of speech and names at once.

A rule is a line of text:

    boer            a word; its part of speech is looked up in the language's lexicon
    het/AUX         a word with its part of speech written out
    dis=dit+is      one printed token that is two syntactic words
    {LOC}           a slot: one of the slot's rules, or one of its names
    {LOC}?          a slot that is left out half of the time
    {LAST^}         a slot whose first letter is raised ("van Wyk" -> "Van Wyk")
    (a | b c | )    one of the alternatives; may hold slots, may not be nested
"""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

CLOSING = frozenset(",.?!:;”")
OPENING = frozenset("“")
_TRIES = 20  # draws before an option is used twice in a sentence
_ALTERNATIVES = re.compile(r"\(([^()]*)\)")
_SLOT = re.compile(r"\{(\w+)(\^?)\}(\??)")


class Word(NamedTuple):
    """A syntactic word and its universal part of speech."""

    form: str
    upos: str


@dataclass(frozen=True)
class Token:
    """A printed token: its form, its words (one, but for contractions) and the type of its name."""

    form: str
    words: tuple[Word, ...]
    entity: str = ""  # "PER", "LOC", "ORG", or empty outside names
    begins: bool = False  # first token of its name

    @property
    def tag(self) -> str:
        """The IOB2 tag."""
        return f"{'B' if self.begins else 'I'}-{self.entity}" if self.entity else "O"


@dataclass(frozen=True)
class Language:
    """What a language adds to the machinery: words, rules and names."""

    code: str
    lexicon: Mapping[str, str]  # form -> universal part of speech
    rules: Mapping[str, Sequence[str]]  # slot -> rules; the sentence is slot "S"
    names: Mapping[str, Sequence[str]]  # slot -> names
    entities: Mapping[str, str]  # slot -> type of the name it makes


@dataclass(frozen=True)
class Names:
    """The names of each slot by what the training files and the vectors may show of them."""

    familiar: Mapping[str, Sequence[str]]
    held_out: Mapping[str, Sequence[str]]
    held_out_rate: float  # share of the drawn names that come from `held_out`


def pick(rng: random.Random, options: Sequence[str]) -> str:
    """Draw one option from `rng.random()` alone, the one stream that Python keeps between versions."""
    return options[int(rng.random() * len(options))]


def words(block: str) -> tuple[str, ...]:
    """Read words between white space; an underscore stands for a space inside one ("van_Wyk")."""
    return tuple(word.replace("_", " ") for word in block.split())


def rules(block: str) -> tuple[str, ...]:
    """Read one rule a line."""
    return tuple(line.strip() for line in block.strip().splitlines())


def lexicon(**forms: str) -> dict[str, str]:
    """Read `NOUN="boer huis"` into form -> part of speech; a form listed twice is an error."""
    table: dict[str, str] = {}
    for upos, line in forms.items():
        for form in line.split():
            if form in table:
                raise ValueError(f"{form!r} stands under {table[form]} and under {upos}")
            table[form] = upos
    return table


class Speaker:
    """Draws sentences of one language; rules and names are hardly ever used twice in a sentence."""

    def __init__(self, language: Language, names: Names, rng: random.Random) -> None:
        self._language = language
        self._names = names
        self._rng = rng
        self._used: set[tuple[str, str]] = set()

    def sentence(self) -> tuple[Token, ...]:
        """Draw one sentence with natural casing."""
        self._used = set()
        return _capitalised(_without_doubled_negation(self._expand("{S}")))

    def _expand(self, rule: str) -> list[Token]:
        rule = _ALTERNATIVES.sub(lambda match: pick(self._rng, match[1].split("|")), rule)
        tokens: list[Token] = []
        for item in rule.split():
            slot = _SLOT.fullmatch(item)
            if slot is None:
                tokens.append(self._terminal(item))
            elif not slot[3] or self._rng.random() < 0.5:
                expansion = self._slot(slot[1])
                tokens += [_raised(expansion[0]), *expansion[1:]] if slot[2] else expansion
        return tokens

    def _slot(self, slot: str) -> list[Token]:
        if slot in self._language.names:
            held_out = self._rng.random() < self._names.held_out_rate
            pools = self._names.held_out if held_out else self._names.familiar
            # one pool of used names, so that a town and a surname of one form do not meet by chance
            name = self._fresh("name", pools[slot])
            return [Token(form, (Word(form, "PROPN"),)) for form in name.split()]
        expansion = self._expand(self._fresh(slot, self._language.rules[slot]))
        if slot not in self._language.entities:
            return expansion
        entity = self._language.entities[slot]
        return [replace(token, entity=entity, begins=i == 0) for i, token in enumerate(expansion)]

    def _fresh(self, kind: str, options: Sequence[str]) -> str:
        choice = pick(self._rng, options)
        for _ in range(_TRIES):
            if (kind, choice) not in self._used:
                break
            choice = pick(self._rng, options)
        self._used.add((kind, choice))
        return choice

    def _terminal(self, item: str) -> Token:
        if "=" in item:
            form, parts = item.split("=")
            return Token(form, tuple(Word(part, self._upos(part)) for part in parts.split("+")))
        form, _, upos = item.partition("/")
        return Token(form, (Word(form, upos or self._upos(form)),))

    def _upos(self, form: str) -> str:
        if form in CLOSING or form in OPENING:
            return "PUNCT"
        if form[0].isdigit():
            return "NUM"
        if form not in self._language.lexicon:
            raise KeyError(f"{self._language.code}: the lexicon lacks {form!r}")
        return self._language.lexicon[form]


def text(tokens: Sequence[Token]) -> str:
    """The printed sentence."""
    return "".join(token.form + " " * space_after(tokens, i) for i, token in enumerate(tokens)).rstrip()


def space_after(tokens: Sequence[Token], i: int) -> bool:
    """Whether a space follows token i; none follows the last one."""
    return i + 1 < len(tokens) and tokens[i].form not in OPENING and tokens[i + 1].form not in CLOSING


def _without_doubled_negation(tokens: list[Token]) -> list[Token]:
    """Afrikaans closes a negation with a second "nie", but never writes two beside each other."""
    return [t for i, t in enumerate(tokens) if not (i and t.form == "nie" == tokens[i - 1].form)]


def _capitalised(tokens: list[Token]) -> tuple[Token, ...]:
    """Raise the first word of the sentence and of a quotation that follows a colon or opens it."""
    result, pending = [], True
    for i, token in enumerate(tokens):
        if token.form == "“" and i and tokens[i - 1].form == ":":
            pending = True
        # "'n boer" and "'s avonds" start a sentence as "'n Boer", "'s Avonds"
        if pending and token.form not in OPENING and not token.form.startswith("'"):
            token, pending = _raised(token), False
        result.append(token)
    return tuple(result)


def _raised(token: Token) -> Token:
    first, *rest = token.words
    return replace(
        token, form=_upper_first(token.form), words=(Word(_upper_first(first.form), first.upos), *rest)
    )


def _upper_first(form: str) -> str:
    # the Dutch digraph is one letter: "IJs"
    return "IJ" + form[2:] if form.startswith("ij") else form[:1].upper() + form[1:]
