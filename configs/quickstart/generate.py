"""The generator of the bundled Afrikaans and Dutch corpora and their word vectors.

`python configs/quickstart/generate.py` overwrites the files in the folder of this script, or with
`--output FOLDER` those in another folder.
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
# Number of sentences of each file.
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
HELD_OUT_RATE = 0.55  # probability of a held-out name in dev and test
VECTOR_RATE = 0.25  # probability of a held-out name in the sentences of the vectors

Sentence = tuple[Token, ...]


def split_names(language: Language, rng: random.Random) -> tuple[Names, Names, Names]:
    """Split the names for training, for dev and test, and for the vectors.

    Three fifths of the names are familiar. The others are held out of all training files; half of them
    occur in the vectors. A form is in the same group in every slot: a held-out town is no familiar surname.
    """
    familiar, with_vector, hidden = "familiar", "with_vector", "hidden"
    cycle = (familiar, with_vector, familiar, hidden, familiar)
    group: dict[str, str] = {}
    pools: dict[str, dict[str, list[str]]] = {kind: {} for kind in (familiar, with_vector, hidden)}
    for slot, names in language.names.items():
        shuffled = sorted(sorted(names), key=lambda _: rng.random())
        new = dict.fromkeys(form for form in map(_last_word, shuffled) if form not in group)
        group |= {form: cycle[i % len(cycle)] for i, form in enumerate(new)}
        for kind, pool in pools.items():
            pool[slot] = [name for name in shuffled if group[_last_word(name)] == kind]
    held_out = {slot: pools[with_vector][slot] + pools[hidden][slot] for slot in language.names}
    return (
        Names(pools[familiar], {}, 0.0),
        Names(pools[familiar], held_out, HELD_OUT_RATE),
        Names(pools[familiar], pools[with_vector], VECTOR_RATE),
    )


def _last_word(name: str) -> str:
    """Return the distinctive word of a name: "Merwe" of "van der Merwe"."""
    return name.split()[-1]


def draw(speaker: Speaker, count: int, seen: set[str]) -> Iterator[Sentence]:
    """Draw `count` different sentences of 5 to 25 tokens that are not in `seen`, and add them to it."""
    while count:
        sentence = speaker.sentence()
        printed = text(sentence)
        if MIN_TOKENS <= len(sentence) <= MAX_TOKENS and printed not in seen:
            seen.add(printed)
            count -= 1
            yield sentence


def conll(sentences: Sequence[Sentence]) -> str:
    """Return column text: token, tab, IOB2 tag, and a blank line after each sentence."""
    return "".join("".join(f"{t.form}\t{t.tag}\n" for t in sentence) + "\n" for sentence in sentences)


def conllu(sentences: Sequence[Sentence], prefix: str) -> str:
    """Return CoNLL-U text with parts of speech; contractions are multi-word ranges."""
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
    """Parse the command line and write the files of both languages."""
    parser = argparse.ArgumentParser(description="Write the bundled corpora and vectors.")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent, help="folder to write to")
    output: Path = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    for language in (AFRIKAANS, DUTCH):
        write_language(language, output)


if __name__ == "__main__":
    main()
