"""Column files: layouts, comments and ids, dirty lines, refusals, and round trips of random files."""

import pytest
from column_files import conllu
from hypothesis import given, settings
from hypothesis import strategies as st

from mlmt_jax.errors import DataError
from mlmt_jax.text.columns import ColumnFormat, iter_blocks, read_conll
from mlmt_jax.text.findings import Findings
from mlmt_jax.text.lines import open_text

CONLLU = ColumnFormat(token_col=1, label_col=3)
INDEXED = ColumnFormat(token_col=1, label_col=2)


def tokens_alone(path, fmt):
    blocks = iter_blocks(open_text(Findings(path), fmt.encoding), fmt, Findings(path), labelled=False)
    return [block.tokens for block in blocks if block.rows]


def plain(sentences) -> list[list[tuple[str, str]]]:
    return [list(zip(s.tokens, s.tags, strict=True)) for s in sentences]


@pytest.mark.parametrize(
    "content",
    [
        "Piet B-PER\nloopt O\n\nJa O\n",
        "Piet B-PER\nloopt O\n\nJa O",  # no newline at the end
        "Piet B-PER\r\nloopt O\r\n\r\nJa O\r\n",
        "Piet B-PER\r\nloopt O\r\n\r\nJa O\r",  # half a line ending
        "Piet\tB-PER\nloopt\tO\n\nJa\tO\n",
        "Piet\tB-PER\nloopt O\n\nJa   O  \n",  # one separator a line; runs of spaces; spaces at the end
        "\ufeffPiet B-PER\nloopt O\n\nJa O\n",
        "\n\nPiet B-PER\nloopt O\n \t \n\n\nJa O\n\n\n",  # white space alone is a blank line
        "  Piet B-PER\n loopt O\n\n Ja O\n",  # indentation
        "Piet \tB-PER \nloopt\t O\n\nJa\tO\n",
        "# a comment\nPiet B-PER\n# between them\nloopt O\n\n#\nJa O\n# at the end",
        "-DOCSTART- -X-\n\nPiet B-PER\nloopt O\n\nJa O\n",
        "Piet B-PER\nloopt O\n-DOCSTART-\nJa O\n",  # ends the sentence before it
    ],
)
def test_two_columns_are_read_in_every_layout(write, content):
    sentences, findings = read_conll(write(content), ColumnFormat())
    assert plain(sentences) == [[("Piet", "B-PER"), ("loopt", "O")], [("Ja", "O")]]
    assert list(findings) == []


def test_the_line_of_a_sentence_is_that_of_its_first_token(write):
    sentences, _ = read_conll(write("\n# c\na O\nb O\n\n\n-DOCSTART-\n# d\n# e\nc O\n"), ColumnFormat())
    assert [s.line for s in sentences] == [3, 10]


def test_tabs_keep_spaces_within_tokens(write):
    sentences, _ = read_conll(write("t ex\tADV\nNew York\tPROPN\n"), ColumnFormat())
    assert plain(sentences) == [[("t ex", "ADV"), ("New York", "PROPN")]]


@pytest.mark.parametrize("char", ["\u2028", "\x85", "\x0b", "\x0c", "\x1c", "\xa0", "\u3000", "\r"])
@pytest.mark.parametrize("between", [" ", "\t"])
def test_only_newlines_spaces_and_tabs_are_structure(write, char, between):
    sentences, _ = read_conll(write(f"a{char}b{between}X\n{char}c{between}Y\n"), ColumnFormat())
    assert plain(sentences) == [[(f"a{char}b", "X"), (f"{char}c", "Y")]]


def test_conllu_ranges_and_empty_nodes_are_no_tokens(write):
    text = "# sent_id = 1\n# text = del #\n"
    text += conllu("1-2 del _", "1 de ADP", "2 el DET", "2.1 nada PRON", "3 # SYM", "4 8.1 NUM", "5 1-2 NUM")
    sentences, findings = read_conll(write(text), CONLLU)
    assert plain(sentences) == [[("de", "ADP"), ("el", "DET"), ("#", "SYM"), ("8.1", "NUM"), ("1-2", "NUM")]]
    assert list(findings) == []


def test_ids_are_tokens_if_the_first_column_is_read(write):
    sentences, _ = read_conll(write("8.1 NUM\n1-2 NUM\n"), ColumnFormat())
    assert sentences[0].tokens == ("8.1", "1-2")
    sentences, _ = read_conll(write("8.1 NUM\n1-2 NUM\n"), ColumnFormat(token_col=-2, label_col=-1))
    assert sentences[0].tokens == ("8.1", "1-2")
    sentences, _ = read_conll(write("8.1 tokens\n"), ColumnFormat(token_col=1, label_col=0))
    assert plain(sentences) == [[("tokens", "8.1")]]
    assert tokens_alone(write("1\tde\n1-2\tdel\n"), INDEXED) == [["de"]]
    assert tokens_alone(write("a O\n O\n"), ColumnFormat()) == [["a", ""]]


@pytest.mark.parametrize(
    "ids",
    [
        ["1-1", "1-2", "1-3"],  # WebAnno's: sentence and word
        ["3.16", "3.16", "3.17"],  # chapter and verse
        ["0.52", "1.5", "2.0"],  # seconds
        ["1", "1.5", "2"],
    ],
)
def test_ids_of_other_formats_are_words(write, ids):
    words = ["Sarel", "woon", "daar"]
    path = write("".join(f"{i}\t{word}\tO\n" for i, word in zip(ids, words, strict=True)))
    sentences, findings = read_conll(path, INDEXED)
    assert [list(sentence.tokens) for sentence in sentences] == [words]
    assert all("where CoNLL-U has none" in str(finding) for finding in findings)
    assert list(findings)


def test_a_separator_after_the_last_column_makes_no_comment(write):
    for text in ("In\tO\t\n#Paris\tB-LOC\n", "In\tO\n#Paris\tB-LOC\t\n"):
        sentences, _ = read_conll(write(text), ColumnFormat())
        assert sentences[0].tokens == ("In", "#Paris")


def test_a_line_that_looks_empty_is_refused(write):
    with pytest.raises(DataError, match=r"it looks empty and is not \(U\+00A0\)"):
        read_conll(write("we O\n\xa0\nend O\n"), ColumnFormat())


def test_a_skipped_sentence_of_hashes_is_noted(write):
    sentences, findings = read_conll(write("we O\n\n#MeToo O\n#X B-ORG\n\nend O\n"), ColumnFormat())
    assert [s.tokens for s in sentences] == [("we",), ("end",)]
    [finding] = findings
    assert (finding.line, finding.count) == (3, 2)
    assert "looks like a token's" in str(finding)


def test_hashes_are_tokens_within_a_sentence(write):
    sentences, findings = read_conll(write("we O\n# O\n#ERROR! O\n# not a token\nend O\n"), ColumnFormat())
    assert sentences[0].tokens == ("we", "#", "#ERROR!", "end")
    assert list(findings) == []


def test_comments_that_look_like_tokens_are_noted(write):
    path = write("#tag O\nwe O\n\n# a b c\n#other O\nare O\n")
    sentences, findings = read_conll(path, ColumnFormat())
    assert [s.tokens for s in sentences] == [("we",), ("are",)]
    [finding] = findings
    assert (finding.line, finding.count) == (1, 2)
    assert "comment" in finding.text
    sentences, findings = read_conll(write("#tag O\n# O\nwe O\n"), ColumnFormat(skip_comment=False))
    assert sentences[0].tokens == ("#tag", "#", "we")
    assert list(findings) == []


def test_metadata_with_as_many_fields_as_columns_is_not_noted(write):
    _, findings = read_conll(write("# sent_id = 5\nEU NNP B-NP B-ORG\n"), ColumnFormat(label_col=-1))
    assert list(findings) == []


@pytest.mark.parametrize("line", [" O", "\tO"])
def test_an_empty_token_is_kept_and_noted(write, line):
    path = write(f"a O\n{line}\nb O\n\nc O\n{line}\n")
    sentences, findings = read_conll(path, ColumnFormat())
    assert plain(sentences) == [[("a", "O"), ("", "O"), ("b", "O")], [("c", "O"), ("", "O")]]
    assert [str(f) for f in findings] == [
        f"{path}:2:1: an empty token (2 times)\n  it is read as a word without characters"
    ]


def test_changing_column_counts_are_noted(write):
    _, findings = read_conll(write("a O\nt ex O\nb O\nu s w O\n"), ColumnFormat())
    assert [(f.line, f.count) for f in findings] == [(2, 2)]


@pytest.mark.parametrize(
    ("fmt", "expected"),
    [
        (ColumnFormat(0, -1), [("EU", "B-ORG"), ("X", "O")]),
        (ColumnFormat(-4, -3), [("EU", "NNP"), ("X", "Y")]),
        (ColumnFormat(0, 3, " "), [("EU", "B-ORG"), ("X", "O")]),
    ],
)
def test_columns_count_from_the_end(write, fmt, expected):
    sentences, _ = read_conll(write("EU NNP B-NP B-ORG\nX Y Z O\n"), fmt)
    assert plain(sentences) == [expected]


def test_separators_are_taken_literally(write):
    assert plain(read_conll(write("a,b||O\n"), ColumnFormat(separator="||"))[0]) == [[("a,b", "O")]]
    assert plain(read_conll(write("a\tb   O\n"), ColumnFormat(separator=" "))[0]) == [[("a\tb", "O")]]
    assert plain(read_conll(write("a b\t\tO\n"), ColumnFormat(0, 2, "\t"))[0]) == [[("a b", "O")]]


@pytest.mark.parametrize(
    ("content", "fmt", "words"),
    [
        ("a O\nb\n", ColumnFormat(), [":2:2: 1 column(s), but label_col is 1: 'b'", "at least 2 columns"]),
        ("a O\nb \n", ColumnFormat(), [":2:3: 1 column(s)"]),
        ("a O\n", ColumnFormat(0, 3), [":1:4: 2 column(s), but label_col is 3: 'a O'", "at least 4"]),
        ("a\n", ColumnFormat(0, -1), [":1:2: 1 column(s), but label_col is -1"]),
        ("a O\n", ColumnFormat(2, 1), [":1:4: 2 column(s), but token_col is 2"]),
        ("x O\na\xa0O\n", ColumnFormat(), [":2:4: 1 column(s)", r"'a\xa0O'"]),
        ("a b\n", ColumnFormat(separator="\t"), [":1:4: 1 column(s)", "with a tab between"]),
        ("a\tO\nb\t\n", ColumnFormat(), [":2:3: the tag (label_col 1) is empty"]),
        ("", ColumnFormat(), ["no sentence"]),
        ("\n \n", ColumnFormat(), ["no sentence"]),
        ("# only a comment\n", ColumnFormat(), ["no sentence"]),
        ("a O\rb O\r\rc O\r", ColumnFormat(), ["carriage returns"]),
        ("a O\nb\0 O\n", ColumnFormat(), [":2:2: a NUL", "binary"]),
        ("a O\n", ColumnFormat(encoding="utf-9"), ["no text encoding 'utf-9'"]),
        ("a O\n", ColumnFormat(encoding="hex"), ["no text encoding 'hex'"]),
        (b"a O\ncaf\xe9 O\n", ColumnFormat(), [":2:4: a byte that is not utf-8: 0xe9", "cp1252"]),
        (b"a O\nO caf\xe9", ColumnFormat(), [":2:6: a byte that is not utf-8: 0xe9", "cp1252"]),
        (b"a O\n\x93hi\x94 O\n", ColumnFormat(), [":2:1: a byte that is not utf-8: 0x93", "cp1252"]),
        ("a O\né O\n", ColumnFormat(encoding="ascii"), [":2:1: a byte that is not ascii: 0xc3", "UTF-8"]),
        (
            b"a O\n\x01\xff\xfe\x07 O\n",
            ColumnFormat(),
            [":2:2: a byte that is not utf-8: 0xff", "is it a text file?"],
        ),
        ("a O\n", ColumnFormat(encoding="idna"), ["no text encoding 'idna'"]),
        ("a O\n", ColumnFormat(encoding="utf-16"), [":1:1: a byte that is not utf-16: 0x61", "UTF-8"]),
        ("\na O\n", ColumnFormat(encoding="utf-16"), [":1:1: a byte that is not utf-16: 0x0a", "UTF-8"]),
        ("a O\n".encode("utf-16"), ColumnFormat(), [":1:1: a byte that is not utf-8: 0xff", "UTF-16"]),
    ],
)
def test_errors_name_file_line_and_expectation(write, content, fmt, words):
    path = write(content)
    with pytest.raises(DataError) as caught:
        read_conll(path, fmt)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert all(word in message for word in words), message
    assert message.count("\n") <= 1


def test_files_that_cannot_be_opened_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"nowhere.*cannot be read: No such file"):
        read_conll(tmp_path / "nowhere", ColumnFormat())
    with pytest.raises(DataError, match="cannot be read"):
        read_conll(tmp_path, ColumnFormat())


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-16", "utf-16-le", "utf-8-sig"])
def test_other_encodings_are_read(write, encoding):
    # U+0A0D and U+0D0A hold the bytes of line endings in UTF-16.
    token = "\u0a0dé\u0d0a" if "16" in encoding else "é"
    fmt = ColumnFormat(encoding=encoding)
    sentences, _ = read_conll(write(f"{token} O\r\nb O\r\n\r\nc O".encode(encoding)), fmt)
    assert plain(sentences) == [[(token, "O"), ("b", "O")], [("c", "O")]]


def test_blocks_hold_every_line():
    lines = [
        "\ufeff# c\r\n",
        "1-2 ab\n",
        "1 a\n",
        "2 b\n",
        "\n",
        "\t\n",
        "-DOCSTART- x\n",
        "\n",
        "3 c\n",
        "# d e",
    ]
    blocks = list(iter_blocks(lines, INDEXED, Findings("-"), labelled=False))
    assert [b.lines for b in blocks] == [
        ["# c", "1-2 ab", "1 a", "2 b", ""],
        ["\t"],
        ["-DOCSTART- x"],
        [""],
        ["3 c", "# d e"],
    ]
    assert [b.rows for b in blocks] == [[2, 3], [], [], [], [0]]
    assert [b.tokens for b in blocks] == [["a", "b"], [], [], [], ["c"]]
    assert [b.line for b in blocks] == [1, 6, 7, 8, 9]
    assert not any(b.tags for b in blocks)
    assert list(iter_blocks([], INDEXED, Findings("-"), labelled=True)) == []


def test_blocks_are_yielded_as_lines_arrive():
    def endless():
        while True:
            yield "a O\n"
            yield "\n"

    blocks = iter_blocks(endless(), ColumnFormat(), Findings("-"), labelled=True)
    assert [next(blocks).line for _ in range(3)] == [1, 3, 5]


@settings(max_examples=150)
@given(st.lists(st.text("ab#\t -.1\xa0\u2028\r", max_size=8), max_size=12), st.booleans())
def test_the_lines_of_all_blocks_are_the_file(lines, skip_comment):
    fmt = ColumnFormat(skip_comment=skip_comment)
    blocks = list(iter_blocks([line + "\n" for line in lines], fmt, Findings("-"), labelled=False))
    assert [line for b in blocks for line in b.lines] == [line.removesuffix("\r") for line in lines]
    assert all(len(b.rows) == len(b.tokens) for b in blocks)
    starts = [1 + sum(len(b.lines) for b in blocks[:i]) for i in range(len(blocks))]
    assert [b.line for b in blocks] == starts


TOKENS = st.text(st.characters(exclude_categories=("Cs", "Z", "Cc")), min_size=1, max_size=6).filter(
    lambda t: not t.startswith(("#", "\ufeff"))
)
TAGS = st.sampled_from(["O", "B-PER", "I-PER", "NOUN"])
CORPORA = st.lists(st.lists(st.tuples(TOKENS, TAGS), min_size=1, max_size=6), min_size=1, max_size=5)
LAYOUTS = {
    "space": (ColumnFormat(), lambda i, token, tag: f"{token} {tag}"),
    "tab": (ColumnFormat(), lambda i, token, tag: f"{token}\t{tag}"),
    "spaced": (ColumnFormat(0, 1, "\t"), lambda i, token, tag: f"{token} {token}\t{tag}"),
    "four": (ColumnFormat(0, -1), lambda i, token, tag: f"{token} NN  x {tag}"),
    "iob2": (INDEXED, lambda i, token, tag: f"{i}\t{token}\t{tag}\t-\t-"),
    "conllu": (CONLLU, lambda i, token, tag: f"{i}\t{token}\t_\t{tag}" + "\t_" * 6),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@settings(max_examples=40)
@given(corpus=CORPORA, end=st.sampled_from(["\n", "\r\n"]), data=st.data())
def test_written_files_are_read_back(tmp_path_factory, layout, corpus, end, data):
    fmt, row = LAYOUTS[layout]
    lines = []
    for sentence in corpus:
        lines += data.draw(st.sampled_from([[], ["# id = x y z"], [""], ["-DOCSTART-", ""]]))
        for i, (token, tag) in enumerate(sentence, 1):
            if fmt.token_col:
                lines += data.draw(
                    st.sampled_from([[], [row(f"{i}-{i + 1}", "x", "_")], [row(f"{i - 1}.1", "x", "_")]])
                )
            lines.append(row(i, token, tag))
        lines.append("")
    path = tmp_path_factory.mktemp("conll") / "corpus"
    path.write_bytes(end.join(lines).encode())
    expected = [[(f"{t} {t}" if layout == "spaced" else t, tag) for t, tag in s] for s in corpus]
    assert plain(read_conll(path, fmt)[0]) == expected
    assert tokens_alone(path, fmt) == [[t for t, _ in s] for s in expected]
