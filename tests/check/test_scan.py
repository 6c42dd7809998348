"""Each kind of mistake, in an otherwise clean corpus."""

from typing import Any, NamedTuple

import pytest
from doctored import DEV, TEST, TRAIN, Check

LATIN = "Jan B-PER\n\ncafé O\nseñor O\n".encode("latin-1")
UTF8 = "Jan B-PER\n\nx O\ncafé O\nseñor O\n"
LONG = "x O\n" * 251


class Mistake(NamedTuple):
    files: dict[str, Any]  # the changed files and settings
    place: str
    text: str
    advice: str


ERRORS: dict[str, Mistake] = {
    "a missing column": Mistake(
        {"train": f"{TRAIN}\nx\ny\n"},
        "train:11:2",
        "1 column(s), but label_col is 1: 'x' (2 times)",
        "expected at least 2 columns with a tab or spaces between them",
    ),
    "another column": Mistake(
        {
            "parser": {"token_col": 4},
            "test": "a b c d e\n\nb O\n",
            "train": "a O b c d\n",
            "dev": "a O b c d\n",
        },
        "test:3:4",
        "2 column(s), but token_col is 4",
        "at least 5 columns",
    ),
    "white space that ends no sentence": Mistake(
        {"train": f"{TRAIN}\n\xa0\nx O\n"},
        "train:11:2",
        r"1 column(s), but label_col is 1: '\xa0'",
        "",
    ),
    "an empty tag": Mistake(
        {"dev": "Jan\tB-PER\nx\t\ny\t\n"},
        "dev:2:3",
        r"the tag (label_col 1) is empty: 'x\t' (2 times)",
        "",
    ),
    "latin-1": Mistake({"train": LATIN}, "train:3:4", "a byte that is not utf-8: 0xe9 (2 times)", '"cp1252"'),
    "latin-1 at the end": Mistake({"dev": b"Jan B-PER\nx caf\xe9"}, "dev:2:6", "not utf-8: 0xe9", '"cp1252"'),
    "utf-16": Mistake({"dev": DEV.encode("utf-16")}, "dev:1:1", "a byte that is not utf-8: 0xff", '"utf-16"'),
    "utf-16 without a mark": Mistake(
        {"train": TRAIN.encode("utf-16-le")},
        "train:1:2",
        "a NUL character",
        'looks like UTF-16: give the encoding "utf-16-le" (parser.encoding',
    ),
    "utf-16 of more letters without a mark": Mistake(
        {"train": f"é O\n{TRAIN}".encode("utf-16-be")},
        "train:1:2",
        "a byte that is not utf-8: 0xe9",
        'looks like UTF-16: give the encoding "utf-16-be" (parser.encoding',
    ),
    "nul": Mistake(
        {"train": TRAIN.replace("slaapt", "sla\0apt")}, "train:8:4", "a NUL character", "binary file"
    ),
    "no sentence": Mistake({"test": "\n \n"}, "test", "no sentence in it", ""),
    "carriage returns": Mistake({"test": "a O\rb O\r\rc O\r"}, "test", "carriage returns", ""),
    "vectors of another dimension": Mistake(
        {"vectors": "Jan 1 2\nGent 1\n"},
        "vectors:2",
        "a word and 1 fields; expected 2 numbers",
        "",
    ),
    "no vectors": Mistake({"vectors": ""}, "vectors", "no vectors in it", ""),
    "vectors of no word": Mistake(
        {"vectors": b"\xe9 1 2\n"},
        "vectors",
        "words are empty, too long or not UTF-8",
        "",
    ),
}


WARNINGS: dict[str, Mistake] = {
    "an empty token": Mistake(
        {"train": f"{TRAIN}\n O\n O\n"}, "train:11:1", "an empty token (2 times)", "a word"
    ),
    "separators": Mistake(
        {"train": TRAIN.replace("woont ", "woont\t").replace("in ", "in\t")},
        "train:2:6",
        "tabs between the columns, where 6 lines of the file have spaces (2 times)",
        "parser.separator",
    ),
    "columns": Mistake(
        {"train": TRAIN.replace("woont O", "woont O x")},
        "train:2:9",
        "not that of the file's first, 2: 'woont O x'",
        "nevertheless",
    ),
    "utf-8 read as latin-1": Mistake(
        {"train": UTF8, "parser": {"encoding": "latin-1"}},
        "train:4:4",
        "a token that is UTF-8 and is read as latin-1: 'cafÃ©', perhaps 'café' (2 times)",
        'set parser.encoding to "utf-8"',
    ),
    "traces of a misreading": Mistake(
        {"train": UTF8.encode().decode("cp1252")},
        "train:4:4",
        "letters that look like UTF-8 read as latin-1 or cp1252: 'cafÃ©', perhaps 'café' (2 times)",
        "mend the file",
    ),
    "a no-break space in a token": Mistake(
        {"train": TRAIN.replace("woont", "wo\xa0ont").replace("slaapt", "\xa0slaapt")},
        "train:2:3",
        r"white space (no-break space, U+00A0) in a token: 'wo\xa0ont' (2 times)",
        "a letter of the word",
    ),
    "a tab in a token": Mistake(
        {"train": TRAIN.replace("woont", "w\tt"), "parser": {"separator": " "}},
        "train:2:2",
        r"white space ('\t', U+0009) in a token: 'w\tt'",
        "a letter of the word",
    ),
    "a space in a tag": Mistake(
        {"dev": DEV.replace("werkt O", "werkt B-LOC\u3000")},
        "dev:3:12",
        r"white space (ideographic space, U+3000) in a tag: 'B-LOC\u3000'",
        "a part of the tag",
    ),
    "a tag of one odd character": Mistake(
        {"dev": DEV + "\nBos \ufeff\n"},
        "dev:7:5",
        r"span type '\ufeff' is not in the training data: always an error of the model",
        "",
    ),
    "a control character": Mistake(
        {"test": TEST.replace("Anna", "\x07Anna")},
        "test:1:1",
        r"a control character (U+0007) in a token: '\x07Anna'",
        "",
    ),
    "an invisible character": Mistake(
        {"test": TEST.replace("Anna", "An\u200bna")},
        "test:1:3",
        r"an invisible character (zero width space, U+200B) in a token: 'An\u200bna'",
        "",
    ),
    "lost letters": Mistake(
        {"test": TEST.replace("Anna", "Ann\ufffd")},
        "test:1:4",
        "a letter that an earlier conversion lost (U+FFFD) in a token",
        "",
    ),
    "ill-formed tags": Mistake(
        {"train": TRAIN.replace("in O", "in I-PER").replace("slaapt O", "slaapt I-LOC")},
        "train:3:4",
        "tag is ill-formed in the scheme IOB2 and was read as conlleval does: 'I-PER', 'I-LOC' (2 times)",
        "",
    ),
    "a span type of dev": Mistake(
        {"dev": DEV.replace("LOC", "ORG") + "\nx B-ORG\n"},
        "dev:5:7",
        "span type 'ORG' is not in the training data: always an error of the model (2 times)",
        "",
    ),
    "no span": Mistake(
        {"dev": "Piet O\nwerkt O\n"},
        "dev:1:6",
        "no span in the file: all 2 tags are O",
        "a span F1 on it is 0",
    ),
    "tags without a prefix": Mistake(
        {"test": TEST.replace("werkt O", "werkt LOC").replace("in O", "in B_LOC")},
        "test:2:7",
        "a tag without a prefix: 'LOC', 'B_LOC' (2 times)",
        "a type of that name",
    ),
    "tags that look like O": Mistake(
        {"test": TEST.replace("werkt O", "werkt o").replace("in O", "in \u041e")},
        "test:2:7",
        "a tag that looks like O and is not: 'o', '\\u041e' (2 times)",
        "a type of that name",
    ),
    "spans without prefixes": Mistake(
        {"train": TRAIN.replace("B-", ""), "dev": "Piet O\n", "test": "Anna O\n"},
        "train:1:5",
        "tags of single words, most of which are O: spans without prefixes?: 'PER'",
        'set parser.scheme to "io"',
    ),
    "a decomposed letter": Mistake(
        {"train": TRAIN.replace("woont", "woo\u0301nt")},
        "train:2:3",
        r"a token that is not in Unicode's normal form NFC (such as a separate accent): 'woo\u0301nt'",
        "bring all files to one form",
    ),
    "a lost line of a file with ids": Mistake(
        {
            "train": "1 Jan B-PER\n3 slaapt O\n\n1 Mies B-PER\n\n1 slaapt O\n2 . O\n",
            "dev": "1 Piet B-PER\n",
            "test": "1 Anna B-PER\n",
            "parser": {"token_col": 1, "label_col": 2},
        },
        "train:2:1",
        "a sentence whose words' ids do not count 1, 2, 3: '3' where 2 was expected",
        "is a line or an empty line missing",
    ),
    "types in two cases": Mistake(
        {"train": f"{TRAIN}\nBart B-Per\n"},
        "train:11:6",
        "span type 'Per' differs from 'PER' only in case",
        "different types",
    ),
    "a repeated sentence": Mistake(
        {"test": f"{TEST}\n{TRAIN}"},
        "test:7",
        "a sentence of test that train has as well: train:1",
        "33.3% of the file's sentences",
    ),
    "a sentence of dev and test": Mistake(
        {"dev": TEST},
        "test:1",
        "a sentence of test that dev has as well: dev:1",
        "counts in the scores of both",
    ),
    "a long sentence": Mistake(
        {"dev": f"{DEV}\n{LONG}\n{LONG}"},
        "dev:7",
        "a sentence of more than 250 words: 251 words from 'x' (2 times)",
        "are empty lines missing?",
    ),
    "vectors of other words": Mistake(
        {"vectors": "ander 1 2\n"},
        "vectors",
        "vectors cover 0.0% of the 8 training words of 'words'",
        "",
    ),
    "vectors twice": Mistake(
        {"vectors": "Jan 1 2\nGent 1 2\nJan 1 3\n"},
        "vectors:3",
        "a word that came before; its first vector is used",
        "",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_is_reported_once_with_its_place(check: Check, name: str) -> None:
    mistake = ERRORS[name]
    output = check(**mistake.files)
    [error] = [message for message in output.messages if message.kind == "error"]
    assert output.status == 2
    assert output.summary.startswith("1 error, ")
    assert error.place == mistake.place
    assert mistake.text in error.text
    assert mistake.advice in error.advice


@pytest.mark.parametrize("name", WARNINGS)
def test_a_warning_is_reported_once_with_its_place(check: Check, name: str) -> None:
    mistake = WARNINGS[name]
    output = check(**mistake.files)
    [warning] = [message for message in output.messages if mistake.text in message.text]
    assert output.status == 0
    assert {message.kind for message in output.messages} == {"warning"}
    assert warning.place == mistake.place
    assert warning.text.endswith("times)") == mistake.text.endswith("times)")
    assert mistake.advice in warning.advice
