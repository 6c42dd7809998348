"""An exported tagger: one file that tags without the code of the model that was trained.

`Tagger.export` or `mlmt export` writes the file, a zip archive of

- `about.json`: task, tag scheme, vocabulary;
- `features.stablehlo`, `emissions.stablehlo`, `tags.stablehlo`: `jax.export` programs that compute the
  features of words, emissions from the features, and the best tags from the emissions;
- `params/*.npy`: the parameters, the first argument of all three programs.

Only the programs are executable, and they compute on arrays alone.
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
from mlmt_jax.corpus.vocabulary import Vocabulary
from mlmt_jax.errors import RunError
from mlmt_jax.runs.atomic_files import sync, write_errors
from mlmt_jax.text.decoded import TagWriter

_FORMAT = 3  # of the archive; other formats are refused
# The errors of reading a damaged archive; RuntimeError if a flag marks an entry as encrypted, for example.
_DAMAGED = (zipfile.BadZipFile, EOFError, RuntimeError, zlib.error, lzma.LZMAError)
_ABOUT, _PROGRAM, _PARAMS = "about.json", "{}.stablehlo", "params/{:04}.npy"
_PROGRAMS = ("features", "emissions", "tags")


class ExportedTagger:
    """A tagger that returns the tags of the exported `Tagger`; `ExportedTagger.load` makes one.

    It is immutable: several threads may use one. A program is compiled for each new batch shape.

    Attributes:
        task: the name of the task model that tags.
        temperature: that of the tagger's probabilities, which the programs do not compute; 1 if not fitted.
        tag_names: the model's tags, in the order of their indices; BIOES for spans in files of any scheme.
    """

    def __init__(self, about: Mapping[str, Any], programs: Mapping[str, export.Exported], params: list[Any]):
        """Build the tagger from the parts of a file, without checks; `load` reads them.

        Args:
            about: the object of `about.json`: "task", "batch_size", "scheme", "bare" and "vocabulary", with
                one table of words and one task.
            programs: the programs "features", "emissions" and "tags".
            params: the arrays of the first argument of each program.
        """
        self.task: str = about["task"]
        self.temperature: float = about.get("temperature", 1.0)
        self._batch_size = about["batch_size"]
        self._vocabulary = Vocabulary.from_json(about["vocabulary"])
        [self._word_embed], [self.tag_names] = self._vocabulary.words, self._vocabulary.tags.values()
        self._writer = TagWriter(self.tag_names, about["scheme"], bare=about["bare"])
        features, emissions, tags = (programs[name].call for name in _PROGRAMS)
        run_features, run_emissions, run_tags = map(jax.jit, (features, emissions, tags))
        run_batch = jax.jit(lambda params, *arrays: tags(params, emissions(params, *arrays), arrays[-1]))
        params = jax.device_put(params)
        self._programs = Programs(
            features=lambda words: run_features(params, *words),
            read_batch=lambda x, batch: (run_batch(params, x, *batch[:-1]),),
            emissions=lambda x, batch: run_emissions(params, x, *batch[:-1]),
            read_emissions=lambda scores, lengths, gold: (run_tags(params, scores, lengths),),
        )

    @classmethod
    def load(cls, path: str | Path) -> "ExportedTagger":
        """Read an exported tagger. No program is compiled yet.

        Args:
            path: the file that `Tagger.export` wrote.

        Raises:
            RunError: if the file cannot be read, is damaged or is no exported tagger, or is one of another
                version of this package or of JAX.
        """
        try:
            with zipfile.ZipFile(path) as archive:
                about = json.loads(archive.read(_ABOUT))
                if about.get("format") != _FORMAT:
                    raise RunError(f"{path}: its format is {about.get('format')!r}, expected {_FORMAT}")
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

    def tag(self, sentences: Iterable[Sequence[str]]) -> list[list[str]]:
        """Tag tokenized sentences, as `Tagger.tag` does.

        Args:
            sentences: the tokens of each sentence; an empty sentence gets no tags.

        Returns:
            One tag for each token of each sentence, in the scheme of the task's training file.

        Raises:
            TypeError: if a sentence is a string, or a token is not one.
        """
        encoded = encode_sentences(self._vocabulary, self._word_embed, sentences)
        predictions = run_programs(encoded, self._batch_size, self._programs)
        return [self._writer.tags(tags[:n]) for (tags,), n in zip(predictions, encoded.lengths, strict=True)]


def write_exported(
    path: str | Path, about: Mapping[str, Any], programs: Mapping[str, bytes], params: Sequence[np.ndarray]
) -> None:
    """Write an exported tagger atomically; an existing file is replaced.

    The temporary file is `.NAME.part` in the same folder, which must exist. That programs and parameters fit
    each other is not checked.

    Args:
        path: the file.
        about: `task`, `temperature`, `batch_size`, `scheme`, `bare`, and the `vocabulary` of the one task and
            its one word embedding, as `Vocabulary.as_json` returns it.
        programs: the serialized programs `features`, `emissions` and `tags`.
        params: the arrays of their first argument.

    Raises:
        RunError: if the file cannot be written.
        KeyError: if a program is missing.
    """
    path = Path(path)
    temporary = path.parent / f".{path.name}.part"
    with write_errors(path):
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
