"""A sequence's header as JSON, and back, checked field by field."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass, replace
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from model.spec.errors import SequenceError
from model.spec.sequence import SCHEMA_VERSION, SequenceHeader


def header_json(header: SequenceHeader) -> list[str]:
    """The header's fields as JSON, the schema's version first: `"name":value` each.

    Raises:
        SequenceError: The header holds what JSON cannot, such as NaN.
    """
    plain = asdict(replace(header, parameters=dict(header.parameters)))
    try:
        return [
            json.dumps({name: value}, ensure_ascii=False, allow_nan=False, separators=(",", ":"))[
                1:-1
            ]
            for name, value in ({"schema_version": SCHEMA_VERSION} | plain).items()
        ]
    except (TypeError, ValueError) as error:
        raise SequenceError(f"header: expected plain, finite values, got: {error}") from error


def read_header(document: Mapping[str, object]) -> SequenceHeader:
    """The header from what JSON made of it; fields that are not known are left out.

    Fields that the first files did not have are as their default says.

    Raises:
        SequenceError: Another schema version, or a field that is missing or of another kind.
    """
    version = document.get("schema_version")
    if type(version) is not int or version != SCHEMA_VERSION:
        raise SequenceError(f"expected schema_version {SCHEMA_VERSION}, got {version!r:.60}")
    header: SequenceHeader = _read(SequenceHeader, document, "")
    return header


def _read(kind: Any, value: Any, where: str) -> Any:  # noqa: ANN401 - a type, and what JSON gave
    if is_dataclass(kind) and isinstance(value, dict):
        return _read_fields(kind, value, where)
    origin, parts = get_origin(kind), get_args(kind)
    if origin is tuple and isinstance(value, list):
        kinds = parts[:1] * len(value) if parts[-1] is Ellipsis else parts
        if len(kinds) == len(value):
            return tuple(_read(k, v, where) for k, v in zip(kinds, value, strict=True))
    if origin is Mapping and isinstance(value, dict):
        return {name: _read(parts[1], v, f"{where}.{name}") for name, v in value.items()}
    if origin is Literal and value in parts:
        return value
    kinds = parts if origin is UnionType else (kind,)
    if type(value) in kinds:
        return value
    if type(value) is int and float in kinds:
        return float(value)
    raise SequenceError(f"{where}: expected {_name(kind)}, got {value!r:.60}")


def _read_fields(kind: Any, value: dict[str, Any], where: str) -> Any:  # noqa: ANN401 - likewise
    kinds = get_type_hints(kind)
    inside = f"{where}." if where else ""
    for field in fields(kind):
        if field.name not in value and field.default is MISSING:
            raise SequenceError(
                f"{inside}{field.name}: expected {_name(kinds[field.name])}, got none"
            )
    given = [field.name for field in fields(kind) if field.name in value]
    return kind(**{name: _read(kinds[name], value[name], inside + name) for name in given})


def _name(kind: Any) -> str:  # noqa: ANN401 - likewise
    if is_dataclass(kind):
        return "an object"
    return kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind)
