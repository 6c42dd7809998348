"""The check command on a small corpus with changed files."""

import json
from pathlib import Path
from typing import Any

import pytest
from command_lines import status
from doctored import DEV, TEST, TRAIN, Check, Message, Output, config

from mlmt_jax.check.__main__ import main


@pytest.fixture
def check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Check:
    """Return a function that writes a corpus and checks it; None means no file, the default a clean one."""

    def run(
        *flags: str, vectors: str | bytes | None = None, parser: dict[str, Any] | None = None, **files: Any
    ) -> Output:
        contents = {"train": TRAIN, "dev": DEV, "test": TEST, **files}
        for name, content in [*contents.items(), ("vectors", vectors)]:
            if content is not None:
                data = content if isinstance(content, bytes) else content.encode()
                (tmp_path / name).write_bytes(data)
        path = tmp_path / "c.json"
        path.write_text(json.dumps(config(contents, parser or {}, vectors is not None)), encoding="utf-8")
        exit_status = status(main, path, *flags)
        out, err = capsys.readouterr()
        assert err == ""
        *lines, summary = out.replace(f"{tmp_path}/", "").splitlines()
        messages: list[Message] = []
        for line in lines:
            if line.startswith("  "):
                messages[-1] = messages[-1]._replace(advice=line.strip())
            else:
                kind, place, text = line.split(": ", 2)
                messages.append(Message(kind, place, text, ""))
        return Output(exit_status, messages, summary)

    return run
