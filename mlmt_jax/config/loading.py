"""Loading of a config: JSON file, overrides, checks, resolved paths."""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from pydantic import ValidationError

from mlmt_jax.config.blocks import Config
from mlmt_jax.config.consistency import missing_files, reference_problems
from mlmt_jax.config.problems import JsonPath, Problem, field_problems, format_path, quoted
from mlmt_jax.config.recipes import with_recipe
from mlmt_jax.errors import ConfigError


class Override(NamedTuple):
    """A value and the place in the config that it replaces."""

    text: str  # the argument of --set
    path: JsonPath
    value: Any  # JSON value


def load_config(path: str | Path, overrides: Sequence[str] = (), *, check_files: bool = True) -> Config:
    """Load and check a config file; the first problem is reported.

    A relative ``data_root`` is resolved against the file's folder, or, if an override sets it, against the
    working directory. The default of ``training.output`` is filled in.

    Args:
        path: the JSON file.
        overrides: ``"training.max_step=200"``, ``"tasks.0.learning_rate=0.01"``, ...; later ones win.
        check_files: if true, the data and vector files must exist.

    Raises:
        ConfigError: the config cannot be used; the message has the file or override, and the JSON path.
    """
    path = Path(path)
    source, data = str(path), _read_json(path)
    settings = [_parse_override(text) for text in overrides]
    for setting in settings:
        _apply_override(data, setting)
    config = _validate(data, source, settings)
    is_root_overridden = any(setting.path == ("data_root",) for setting in settings)
    config = _resolve_root(config, Path.cwd() if is_root_overridden else path.parent)
    if config.training.output is None:
        training = config.training.model_copy(update={"output": Path("runs") / path.stem})
        config = config.model_copy(update={"training": training})
    _check_folder_names(config, source)
    if check_files and (missing := missing_files(config)):
        _refuse(missing, source, settings)
    return config


def parse_config(data: dict[str, Any], source: str = "config", *, check_files: bool = False) -> Config:
    """Parse and check a config given as JSON values.

    A relative ``data_root`` is resolved against the working directory.

    Args:
        data: JSON values.
        source: name of the file in messages.
        check_files: if true, the data and vector files must exist.

    Raises:
        ConfigError: the config cannot be used; the message has ``source`` and the JSON path.
    """
    config = _resolve_root(_validate(data, source), Path.cwd())
    if check_files and (missing := missing_files(config)):
        _refuse(missing, source, ())
    return config


def _parse_override(text: str) -> Override:
    """Parse ``path=value``.

    Args:
        text: a path whose indices are written ``.0`` or ``[0]``, and a value in JSON; a value that is not
            JSON is a string.

    Raises:
        ConfigError: there is no "=", or no path before it.
    """
    key, equals, value = text.partition("=")
    parts = re.findall(r"[^.\[\]]+", key.strip())
    if not equals or not parts:
        raise ConfigError(f"--set {text}: expected PATH=VALUE, such as training.max_step=200")
    # No list has an index of more than 18 digits, and Python refuses to parse thousands of digits.
    path = tuple(int(part) if part.isdecimal() and len(part) <= 18 else part for part in parts)
    try:
        return Override(text, path, json.loads(value))
    except (ValueError, RecursionError):
        return Override(text, path, value)


def _apply_override(data: Any, override: Override) -> None:
    """Set the value in a config's JSON values, in place; missing objects on the path are added.

    Unknown keys are not checked here.

    Raises:
        ConfigError: the path leads through a value that is neither object nor list, or beyond a list's end.
    """
    parent, value, keys = data, data, list[Any](override.path)
    for depth, key in enumerate(override.path):
        parent, place = value, format_path(override.path[:depth]) or "the file"
        if isinstance(parent, dict):
            keys[depth] = str(key)
            value = parent.setdefault(str(key), {})
        elif not isinstance(parent, list):
            problem = f"{place} is {quoted(parent)}, which has no entry {quoted(key)}"
            raise ConfigError(f"--set {override.text}: {problem}")
        elif isinstance(key, int) and key < len(parent):
            value = parent[key]
        else:
            entries = f"0 to {len(parent) - 1}" if parent else "none"
            problem = f"{place} has no entry {quoted(key)}; known: {entries}"
            raise ConfigError(f"--set {override.text}: {problem}")
    parent[keys[-1]] = override.value


def _resolve_root(config: Config, folder: Path) -> Config:
    """Return the config with an absolute ``data_root``; a relative one is resolved against ``folder``."""
    return config.model_copy(update={"data_root": Path(os.path.realpath(folder / config.data_root))})


def _check_folder_names(config: Config, source: str) -> None:
    """Raise ``ConfigError`` if a folder, such as that of the config file, is not valid Unicode.

    The UTF-8 files of a run folder could not name such a folder.
    """
    for key, folder in (("data_root", config.data_root), ("training.output", config.training.output)):
        try:
            str(folder).encode()
        except UnicodeEncodeError:
            problem = f"invalid value (got {quoted(str(folder), 400)}, expected a path of valid Unicode)"
            raise ConfigError(f"{quoted(source, 400)}: {key}: {problem}") from None


def _validate(data: Any, source: str, settings: Sequence[Override] = ()) -> Config:
    """Return the checked config of JSON values to which ``settings`` have been applied.

    Raises:
        ConfigError: the first problem, named by ``source`` or by the override that caused it.
    """
    try:
        config = Config.model_validate(with_recipe(data))
    except ValidationError as error:
        _refuse(field_problems(error), source, settings)
    if problems := reference_problems(config):
        _refuse(problems, source, settings)
    return config


def _refuse(problems: Sequence[Problem], source: str, settings: Sequence[Override]) -> NoReturn:
    """Raise ``ConfigError`` for the first problem, with the number of the others."""
    problem = problems[0]
    setting = next((setting for setting in reversed(settings) if _is_cause(setting, problem)), None)
    place = f"--set {setting.text}" if setting else source
    message = ": ".join(part for part in (place, format_path(problem.path), problem.message) if part)
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    raise ConfigError(message + more) from None


def _is_cause(setting: Override, problem: Problem) -> bool:
    """Return True if an override caused a problem: it sets the value, or its path has the unknown key."""
    if problem.path[: len(setting.path)] == setting.path:
        return True
    return problem.is_unknown_key and setting.path[: len(problem.path)] == problem.path


class _DuplicateKey(NamedTuple):
    """A stand-in for a JSON object that has one key twice."""

    key: str


def _unique_object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _DuplicateKey:
    """Return the object of key-value pairs, or the first of its keys that is repeated."""
    keys = [key for key, _ in pairs]
    duplicates = (key for i, key in enumerate(keys) if key in keys[:i])
    return dict(pairs) if len(set(keys)) == len(keys) else _DuplicateKey(next(duplicates))


def _find_duplicate_key(data: Any, path: JsonPath = ()) -> JsonPath | None:
    """Return the path of the first duplicate key in ``data``, the value at ``path``; else None."""
    if isinstance(data, _DuplicateKey):
        return (*path, data.key)
    children = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return next(filter(None, (_find_duplicate_key(child, (*path, key)) for key, child in children)), None)


def _read_json(path: Path) -> Any:
    """Return the JSON value of a UTF-8 file.

    Raises:
        ConfigError: the file cannot be read, is not JSON, or an object in it has a key twice.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_unique_object)
        duplicate = _find_duplicate_key(data)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8 (expected a JSON file)") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        hint = "; is the comma before it superfluous?" if error.doc[: error.pos].rstrip()[-1:] == "," else ""
        raise ConfigError(f"{path}: {place}: not JSON: {error.msg}{hint}") from None
    except (RecursionError, ValueError) as error:
        raise ConfigError(f"{path}: unusable JSON: {error}") from None
    if duplicate:
        raise ConfigError(f"{path}: {format_path(duplicate)}: duplicate key")
    return data
