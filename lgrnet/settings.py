"""Frozen dataclasses as settings: read from plain values, strictly.

Whatever is not known is an error, so that a misspelt key never trains the wrong network.
"""

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Config = TypeVar("Config", bound="DataclassInstance")


def from_dict(cls: type[Config], values: Mapping[str, Any], where: str = "") -> Config:
    """Build a configuration dataclass, nested ones included, from a mapping.

    Args:
        cls: The dataclass.
        values: Field → value, as TOML or JSON give it (lists for tuples, strings for paths).
        where: What to put before field names in messages, such as ``"model."``.

    Returns:
        The dataclass.

    Raises:
        ValueError: A key is unknown, a required one is missing, or a value is wrong.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"{where or cls.__name__}: expected a table of settings, got {values!r}")
    known = {field.name: field for field in fields(cls)}
    for key in values:
        if key not in known:
            raise ValueError(f"{where}{key}: unknown setting; known are {', '.join(known)}")
    for name, field in known.items():
        required = field.default is MISSING and field.default_factory is MISSING
        if required and name not in values:
            raise ValueError(f"{where}{name}: missing, and it has no default")
    hints = typing.get_type_hints(cls)
    return cls(**{key: _convert(hints[key], values[key], where + key) for key in values})


def check_types(config: Any) -> None:
    """Check every field of a dataclass against its annotation.

    Args:
        config: The dataclass.

    Raises:
        ValueError: A value is not of the annotated type.
    """
    hints = typing.get_type_hints(type(config))
    for field in fields(config):
        value = getattr(config, field.name)
        if not _fits(hints[field.name], value):
            raise ValueError(f"{field.name}: {value!r} is not {_describe(hints[field.name])}")


def _convert(hint: Any, value: Any, name: str) -> Any:
    """Turn what TOML can hold into what the annotation asks for."""
    if isinstance(hint, type) and is_dataclass(hint):
        return value if isinstance(value, hint) else from_dict(hint, value, name + ".")
    choices = _members(hint)
    if Path in choices and isinstance(value, str):
        return Path(value)
    if float in choices and type(value) is int:
        return float(value)
    for each in choices:
        if isinstance(value, list) and typing.get_origin(each) is tuple:
            paths = Path in typing.get_args(each)
            value = tuple(Path(v) if paths and isinstance(v, str) else v for v in value)
    if not _fits(hint, value):
        raise ValueError(f"{name}: {value!r} is not {_describe(hint)}")
    return value


def _members(hint: Any) -> tuple[Any, ...]:
    """Split a union into its members."""
    is_union = typing.get_origin(hint) in (Union, types.UnionType)
    return typing.get_args(hint) if is_union else (hint,)


def _fits(hint: Any, value: Any) -> bool:
    """Whether a value is of an annotated type; bool is no int here."""
    members = _members(hint)
    if len(members) > 1:
        return any(_fits(member, value) for member in members)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return value in args
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        expected = (args[0],) * len(value) if args[-1] is Ellipsis else args
        return len(expected) == len(value) and all(map(_fits, expected, value))
    if hint is Any:
        return True
    return isinstance(value, hint) and not (isinstance(value, bool) and hint is not bool)


def _describe(hint: Any) -> str:
    """Name an annotation as a person would."""
    if typing.get_origin(hint) is Literal:
        return "one of " + ", ".join(map(repr, typing.get_args(hint)))
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)
