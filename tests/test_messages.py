"""The messages of the package: short, and in the words of the project."""

import re

from messages import messages

# A message says what is wrong, not that something is; it asks for nothing politely, and blames nobody.
UNWANTED = re.compile(
    r"\b(please|sorry|oops|invalid input|bad|illegal|an error occurred|you must)\b|!", re.IGNORECASE
)


def test_messages_have_one_or_two_lines_and_no_unwanted_words() -> None:
    texts = messages()
    assert len(texts) > 200
    assert not [message for message in texts if message.text.count("\n") > 1]
    assert not [message for message in texts if UNWANTED.search(message.text)]
    assert not [message for message in texts if message.text.endswith((".", " "))]
