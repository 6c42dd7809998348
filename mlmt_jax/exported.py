"""An exported tagger: one file that tags without the code of the model that was trained.

``Tagger.export`` or ``python -m mlmt_jax.export`` writes the file, a zip archive of

- ``about.json``: task, tag scheme, vocabulary;
- ``features.stablehlo``, ``emissions.stablehlo``, ``tags.stablehlo``: ``jax.export`` programs from words to
  their features, from these to tag scores, and from those to the best tags;
- ``params/*.npy``: the parameters, the first argument of all three.

Nothing in it is executable but the programs, which compute on arrays alone.
"""

import io
import json
import lzma
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax import export

from mlmt_jax.batches.encode import encode_sentences
from mlmt_jax.batches.windows import Programs, run_programs
from mlmt_jax.corpus.corpora import Vocabulary
from mlmt_jax.errors import RunError
from mlmt_jax.runs.atomic_files import sync
from mlmt_jax.text.decoded import TagWriter

__all__ = ["ExportedTagger", "write_exported"]

_FORMAT = 3  # of the archive; a newer one is refused
# What reading a damaged archive raises; RuntimeError where a flag says that it is encrypted, say.
_DAMAGED = (zipfile.BadZipFile, EOFError, RuntimeError, zlib.error, lzma.LZMAError)
_ABOUT, _PROGRAM, _PARAMS = "about.json", "{}.stablehlo", "params/{:04}.npy"
_PROGRAMS = ("features", "emissions", "tags")


class ExportedTagger:
    """Tags sentences as the ``Tagger`` did that was exported; ``ExportedTagger.load`` makes one.

    Nothing changes it once it is made: several threads may use one. A program is compiled for each
    new shape of batch.
    """

    def __init__(self, about: Mapping[str, Any], programs: Mapping[str, export.Exported], params: list[Any]):
        self._vocabulary = Vocabulary.from_json(about["vocabulary"])
        [self._word_embed], [self._tag_names] = self._vocabulary.words, self._vocabulary.tags.values()
        self._task, self._batch_size = about["task"], about["batch_size"]
        self._writer = TagWriter(self._tag_names, about["scheme"], bare=about["bare"])
        self._params = jax.device_put(params)
        features, emissions, tags = (programs[name].call for name in _PROGRAMS)
        self._features, self._emissions, self._read = map(jax.jit, (features, emissions, tags))
        self._whole = jax.jit(lambda params, *given: tags(params, emissions(params, *given), given[-1]))

    @classmethod
    def load(cls, path: str | Path) -> "ExportedTagger":
        """Reads an exported tagger.

        Raises:
            RunError: where the file is not one, or one of another version of this package or of jax.
        """
        try:
            with zipfile.ZipFile(path) as archive:
                about = json.loads(archive.read(_ABOUT))
                found = about.get("format")
                if found != _FORMAT:
                    raise RunError(f"{path}: its format is {found!r}, expected {_FORMAT}")
                programs = {
                    name: export.deserialize(bytearray(archive.read(_PROGRAM.format(name))))
                    for name in _PROGRAMS
                }
                params = [
                    np.load(io.BytesIO(archive.read(_PARAMS.format(i))), allow_pickle=False)
                    for i in range(about["params"])
                ]
            return cls(about, programs, params)
        except OSError as error:
            raise RunError(f"{path}: cannot be read: {error.strerror or error}") from None
        except (*_DAMAGED, LookupError, ValueError, TypeError, AttributeError) as error:
            reason = next(iter(str(error).splitlines()), "it ends too early")
            raise RunError(f"{path}: not an exported tagger that can be read here: {reason}") from error

    @property
    def task(self) -> str:
        """The name of the task model that tags."""
        return self._task

    @property
    def tag_names(self) -> tuple[str, ...]:
        """The tags inside: BIOES for spans, whatever scheme the files have."""
        return self._tag_names

    def tag(self, sentences: Iterable[Sequence[str]]) -> list[list[str]]:
        """Tags tokenised sentences, as ``Tagger.tag`` does.

        Args:
            sentences: the tokens of each sentence; an empty sentence gets no tags.

        Returns:
            One tag a token, in the scheme of the task's training file.

        Raises:
            TypeError: a sentence that is a string.
        """
        contents = encode_sentences(self._vocabulary, self._word_embed, sentences)
        programs = Programs(
            features=lambda words: self._features(self._params, *words),
            read_batch=lambda x, batch: (self._whole(self._params, x, *batch[:-1]),),
            emissions=lambda x, batch: self._emissions(self._params, x, *batch[:-1]),
            read_emissions=lambda scores, lengths, gold: (self._read(self._params, scores, lengths),),
        )
        found = run_programs(contents, self._batch_size, programs)
        return [self._writer.tags(tags[:n]) for (tags,), n in zip(found, contents.lengths, strict=True)]


def write_exported(
    path: str | Path, about: Mapping[str, Any], programs: Mapping[str, bytes], params: Sequence[np.ndarray]
) -> None:
    """Writes an exported tagger, whole or not at all.

    Args:
        path: of the file; one that is there is replaced.
        about: ``task``, ``batch_size``, ``scheme``, ``bare``, and ``vocabulary`` as ``Vocabulary.as_json``
            gives it, of the one task and its one word embedding.
        programs: ``features``, ``emissions`` and ``tags``, serialised.
        params: their first argument.

    Raises:
        RunError: where the file cannot be written.
    """
    path = Path(path)
    temporary = path.parent / f".{path.name}.part"
    try:
        try:
            with zipfile.ZipFile(temporary, "w") as archive:
                text = json.dumps({"format": _FORMAT, "params": len(params), **about}, ensure_ascii=False)
                archive.writestr(_ABOUT, text)
                for name in _PROGRAMS:
                    archive.writestr(_PROGRAM.format(name), programs[name])
                for i, array in enumerate(params):
                    with archive.open(_PARAMS.format(i), "w", force_zip64=True) as file:
                        np.lib.format.write_array(file, array, allow_pickle=False)
            sync(temporary)
            temporary.replace(path)
            sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {error.strerror or error}") from None
