"""Write the bundled Afrikaans and Dutch corpora and their word vectors.

`python configs/quickstart/generate.py` rewrites the files beside this script, `--output FOLDER` writes
them elsewhere.
"""

import argparse
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from afrikaans import AFRIKAANS
from dutch import DUTCH
from grammar import Language, Names, Speaker, Token, space_after, text
from vectors import train_vectors, write_vectors

SEED = 20180715
# sentences of each file
SIZES: Mapping[str, Mapping[str, Mapping[str, int]]] = {
    "afr": {
        "ner": {"train": 40, "dev": 100, "test": 200},
        "pos": {"train": 300, "dev": 100, "test": 100},
    },
    "nld": {
        "ner": {"train": 400, "dev": 100, "test": 100},
        "pos": {"train": 400, "dev": 100, "test": 100},
    },
}
RAW_SENTENCES = 4000
MIN_TOKENS, MAX_TOKENS = 5, 25
HELD_OUT_RATE = 0.55  # of the names drawn for dev and test
SHOWN_RATE = 0.25  # of the names drawn for the vectors

Sentence = tuple[Token, ...]


def split_names(language: Language, rng: random.Random) -> tuple[Names, Names, Names]:
    """Split the names for training, for dev and test, and for the vectors.

    Three fifths are familiar; the others occur in no training file, and half of those in the vectors.
    A form keeps its place in every list: a town that is held out is no surname of the training files.
    """
    familiar, shown, hidden = "familiar", "shown", "hidden"
    cycle = (familiar, shown, familiar, hidden, familiar)
    place: dict[str, str] = {}
    pools: dict[str, dict[str, list[str]]] = {kind: {} for kind in (familiar, shown, hidden)}
    for slot, names in language.names.items():
        shuffled = sorted(sorted(names), key=lambda _: rng.random())
        new = dict.fromkeys(form for form in map(_last_word, shuffled) if form not in place)
        place |= {form: cycle[i % len(cycle)] for i, form in enumerate(new)}
        for kind, pool in pools.items():
            pool[slot] = [name for name in shuffled if place[_last_word(name)] == kind]
    held_out = {slot: pools[shown][slot] + pools[hidden][slot] for slot in language.names}
    return (
        Names(pools[familiar], {}, 0.0),
        Names(pools[familiar], held_out, HELD_OUT_RATE),
        Names(pools[familiar], pools[shown], SHOWN_RATE),
    )


def _last_word(name: str) -> str:
    # what tells a name from others: not the particles of "van der Merwe"
    return name.split()[-1]


def draw(speaker: Speaker, count: int, seen: set[str]) -> Iterator[Sentence]:
    """Draw sentences of a fair length that were not drawn before; `seen` grows."""
    while count:
        sentence = speaker.sentence()
        printed = text(sentence)
        if MIN_TOKENS <= len(sentence) <= MAX_TOKENS and printed not in seen:
            seen.add(printed)
            count -= 1
            yield sentence


def conll(sentences: Sequence[Sentence]) -> str:
    """Token, tab, IOB2 tag; a blank line after each sentence."""
    return "".join("".join(f"{t.form}\t{t.tag}\n" for t in sentence) + "\n" for sentence in sentences)


def conllu(sentences: Sequence[Sentence], prefix: str) -> str:
    """CoNLL-U with parts of speech; contractions are multi-word ranges."""
    blocks = []
    for number, sentence in enumerate(sentences, start=1):
        lines = [f"# sent_id = {prefix}-{number}", f"# text = {text(sentence)}"]
        next_id = 1
        for i, token in enumerate(sentence):
            last = i + 1 == len(sentence)
            misc = "_" if last or space_after(sentence, i) else "SpaceAfter=No"
            if len(token.words) > 1:
                lines.append(_row(f"{next_id}-{next_id + len(token.words) - 1}", token.form, "_", misc))
                misc = "_"
            for word in token.words:
                lines.append(_row(str(next_id), word.form, word.upos, misc))
                next_id += 1
        blocks.append("\n".join(lines) + "\n\n")
    return "".join(blocks)


def _row(word_id: str, form: str, upos: str, misc: str) -> str:
    return "\t".join((word_id, form, "_", upos, "_", "_", "_", "_", "_", misc))


def write_language(language: Language, output: Path) -> None:
    """Write the corpora and the vectors of one language."""
    rng = random.Random(f"{SEED} {language.code}")
    training, evaluation, raw = split_names(language, rng)
    seen: set[str] = set()
    for task, sizes in SIZES[language.code].items():
        for split, size in sizes.items():
            speaker = Speaker(language, training if split == "train" else evaluation, rng)
            sentences = list(draw(speaker, size, seen))
            name = f"{language.code}.{task}.{split}"
            content = conll(sentences) if task == "ner" else conllu(sentences, name)
            suffix = "conll" if task == "ner" else "conllu"
            (output / f"{name}.{suffix}").write_text(content, encoding="utf-8", newline="\n")
    speaker = Speaker(language, raw, random.Random(f"{SEED} {language.code} raw"))
    words = [[word.form for token in s for word in token.words] for s in draw(speaker, RAW_SENTENCES, seen)]
    write_vectors(output / f"{language.code}.vec.txt", *train_vectors(words))


def main() -> None:
    """Parse the command line and write everything."""
    parser = argparse.ArgumentParser(description="Write the bundled corpora and vectors.")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent, help="folder to write to")
    output: Path = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    for language in (AFRIKAANS, DUTCH):
        write_language(language, output)


if __name__ == "__main__":
    main()
