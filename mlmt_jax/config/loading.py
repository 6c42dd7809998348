"""From a config file and overrides to a checked config."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from mlmt_jax.config.blocks import Config
from mlmt_jax.config.consistency import missing_files, reference_problems
from mlmt_jax.config.overrides import Override, parse_override, put
from mlmt_jax.config.problems import JsonPath, Problem, field_problems, format_path, quoted
from mlmt_jax.errors import ConfigError

__all__ = ["load_config", "parse_config"]


def load_config(path: str | Path, overrides: Sequence[str] = (), *, check_files: bool = True) -> Config:
    """Reads a config file and refuses it with the first thing that is wrong.

    A relative ``data_root`` starts at the file's folder, one from ``overrides`` at the working directory.

    Args:
        path: the JSON file.
        overrides: ``"training.max_step=200"``, ``"tasks.0.learning_rate=0.01"``, ...; later ones win.
        check_files: whether data and vector files must be there.

    Raises:
        ConfigError: with the file, the JSON path, what was found and what was expected.
    """
    path = Path(path)
    source = str(path)
    data = _read_json(path)
    settings = [parse_override(text) for text in overrides]
    for setting in settings:
        put(data, setting)
    config = _validate(data, source, settings)
    moved = any(setting.path == ("data_root",) for setting in settings)
    config = _with_root(config, Path.cwd() if moved else path.parent)
    if config.training.output is None:
        training = config.training.model_copy(update={"output": Path("runs") / path.stem})
        config = config.model_copy(update={"training": training})
    _require_text(config, source)
    missing = missing_files(config) if check_files else []
    if missing:
        _refuse(missing, source, settings)
    return config


def parse_config(data: dict[str, Any], source: str = "config") -> Config:
    """Checks a config that is read already, such as a run folder's; looks for no file.

    A relative ``data_root`` starts at the working directory.

    Args:
        data: JSON values.
        source: what messages name as the file.

    Raises:
        ConfigError: as ``load_config``.
    """
    return _with_root(_validate(data, source), Path.cwd())


def _with_root(config: Config, start: Path) -> Config:
    return config.model_copy(update={"data_root": Path(os.path.realpath(start / config.data_root))})


def _require_text(config: Config, source: str) -> None:
    """Refuses folders, such as the config file's own, that are no text: a run's files could not name them."""
    for key, folder in (("data_root", config.data_root), ("training.output", config.training.output)):
        try:
            str(folder).encode()
        except UnicodeEncodeError:
            where, found = quoted(source, limit=400), quoted(str(folder), limit=400)
            raise ConfigError(f"{where}: {key}: got {found}; expected a path of valid Unicode") from None


def _validate(data: Any, source: str, settings: Sequence[Override] = ()) -> Config:
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        _refuse(field_problems(error), source, settings)
    problems = reference_problems(config)
    if problems:
        _refuse(problems, source, settings)
    return config


def _refuse(problems: list[Problem], source: str, settings: Sequence[Override]) -> NoReturn:
    problem = problems[0]
    setting = next((setting for setting in reversed(settings) if _comes_from(problem, setting)), None)
    where = f"--set {setting.text}" if setting else source
    message = ": ".join(part for part in (where, format_path(problem.path), problem.message) if part)
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    raise ConfigError(message + more) from None


def _comes_from(problem: Problem, setting: Override) -> bool:
    within = problem.path[: len(setting.path)] == setting.path
    # An unknown key in the middle of an override's path.
    through = problem.unknown_key and setting.path[: len(problem.path)] == problem.path
    return within or through


class _Object(dict[str, Any]):
    """A JSON object that remembers a key that stands in it twice."""

    repeated: str | None = None


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    read = _Object(pairs)
    if len(read) < len(pairs):
        keys = [key for key, _ in pairs]
        read.repeated = next(key for i, key in enumerate(keys) if key in keys[:i])
    return read


def _repeated_key(data: Any, path: JsonPath = ()) -> JsonPath | None:
    """The path of the first key that stands twice in its object."""
    if isinstance(data, _Object) and data.repeated is not None:
        return (*path, data.repeated)
    children = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    found = (_repeated_key(child, (*path, key)) for key, child in children)
    return next((where for where in found if where), None)


def _read_json(path: Path) -> Any:
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_object)
        repeated = _repeated_key(data)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8; expected a JSON file") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        hint = "; is the comma before it one too many?" if error.doc[: error.pos].rstrip()[-1:] == "," else ""
        raise ConfigError(f"{path}: {place}: not JSON: {error.msg}{hint}") from None
    except (RecursionError, ValueError) as error:
        raise ConfigError(f"{path}: not JSON that can be used: {error}") from None
    if repeated:
        raise ConfigError(f"{path}: {format_path(repeated)}: this key stands twice in its object")
    return data
