"""A YAML file read strictly, and pydantic's complaints turned into sentences that name the key, the finding and the next step."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from spark_monitor.errors import ConfigError, unknown
from spark_monitor.text.formatting import harmless
from spark_monitor.text.masking import mask_secrets
from spark_monitor.text.quoting import SUBSTITUTED

LONGEST_QUOTED, LONGEST_NAME = 80, 200
MOST_PROBLEMS = 50
"""A file with more of them, such as one that is no monitor's, has these named and the rest counted."""

PROBLEMS = "monitor_problems"
"""The pydantic error type of this project's own checks; its context holds pairs of key and sentence."""

UNKNOWN = "monitor_unknown_name"
"""The pydantic error type of a name that is not allowed; its context holds the kind, the name and the allowed ones."""

UNION_TAGS = frozenset({"<one>", "<many>"})
"""Tags of pydantic's tagged unions, which are no part of a place in the file."""

_STEPS = {
    "'\\t'": "Indent with spaces, and write no tab before a value",
    "written twice": "Keep one of them",
    "another document": "Write one monitor a file: remove the line --- and what follows it",
    "alias": "Put a string that begins with * in quotes",
    "half a character": "Write the character itself, or both of its escapes as one: \\UXXXXXXXX",
    "expected alphabetic or numeric character": "Put a string that begins with * in quotes",
}
"""What to do about what PyYAML finds, by a sign of it."""

_ANY_STEP = "Correct that line; a string with : # { [ or quotes in it, or with @ % & ! or ` at its beginning, must be quoted"

_UNREADABLE = (ValueError, OverflowError, LookupError, AttributeError, TypeError)
"""What PyYAML raises over a value that is not of the type that its tag or its look claims."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_LONGEST_NUMBER = 10**LONGEST_QUOTED


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping that a YAML file holds; anything else is a ConfigError that says what to do."""
    name = path.name or str(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        next_step = "Give the path of a monitor's YAML file; `spark-monitor init TABLE` writes one"
        raise ConfigError(f"{path}: no such file. {next_step}.") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a directory. Give one monitor's YAML file.") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{harmless(str(path))}: cannot be read ({reason}). Give a readable YAML file in UTF-8.") from None
    try:
        content = yaml.load(text, Loader=_StrictLoader)
    except yaml.MarkedYAMLError as error:
        raise ConfigError(f"{name}: {_yaml_problem(error)}") from None
    except yaml.reader.ReaderError as error:
        place = f"line {text[: error.position].count(chr(10)) + 1}"
        raise ConfigError(f"{name}: not valid YAML at {place}: found {_control(error.character)}. Remove it.") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigError(f"{name}: not valid YAML: {' '.join(str(error).split())}. Correct the file.") from None
    if content is None:
        raise ConfigError(f"{name}: the file is empty. `spark-monitor init TABLE` writes a commented first one.")
    if not isinstance(content, dict):
        raise ConfigError(f"{name}: found {describe(content)} at the top. Allowed: keys and values, such as `monitor: my_model`.")
    return content


_BOOLEAN, _INTEGER, _FLOAT = (f"tag:yaml.org,2002:{kind}" for kind in ("bool", "int", "float"))
_PLAIN_VALUES: Mapping[str, tuple[str, str]] = {
    _BOOLEAN: (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    _INTEGER: (r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    _FLOAT: (
        r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
}
"""What is a boolean or a number without quotes, as YAML 1.2 has it, and how it may begin. To YAML 1.1, which PyYAML reads, NO is
false, 0123 is 83 and 12:30 is 750: a country, a store and a time that no column holds. These are strings here."""


class _StrictLoader(yaml.SafeLoader):
    """YAML's safe subset, with a key that is written twice refused instead of silently replaced."""

    yaml_implicit_resolvers = {  # noqa: RUF012  PyYAML's own attribute
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in _PLAIN_VALUES]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[tuple[str, str]] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if (key.tag, key.value) in seen:
                raise yaml.composer.ComposerError(None, None, f'the key "{key.value}" is written twice', key.start_mark)
            seen.add((key.tag, key.value))
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Merged keys once each, the last one, which counts: merges of merges would hold each of them again and again."""
        super().flatten_mapping(node)
        last = {(key.tag, key.value) if isinstance(key, yaml.ScalarNode) else id(key): (key, value) for key, value in node.value}
        node.value = list(last.values())

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        if isinstance(node, yaml.ScalarNode) and (half := _SURROGATE.search(node.value)) is not None:
            problem = f"found {_control(half[0])}, half a character, which no table and no terminal can hold"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        try:
            return super().construct_object(node, deep=deep)
        except _UNREADABLE as error:
            if not isinstance(node, yaml.ScalarNode):
                raise
            problem = f"{describe(node.value)} cannot be read as {node.tag.rpartition(':')[2]}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from error


for _tag, (_pattern, _beginnings) in _PLAIN_VALUES.items():
    _StrictLoader.add_implicit_resolver(_tag, re.compile(f"(?:{_pattern})$"), list(_beginnings))


def _yaml_problem(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    problem = mask_secrets(error.problem or error.context or "unreadable")
    step = next((step for sign, step in _STEPS.items() if sign in problem), _ANY_STEP)
    return f"not valid YAML{place}: {problem}. {step}."


def _control(character: int | str) -> str:
    return f"the control character U+{character if isinstance(character, int) else ord(character):04X}"


def problems(*pairs: tuple[str, str]) -> PydanticCustomError:
    """An error of a pydantic validator that names the keys below its model: pairs of key ("" for itself) and sentence."""
    return PydanticCustomError(PROBLEMS, "see the context", {"pairs": list(pairs)})


def unknown_name(kind: str, value: str, allowed: list[str], *, meant: str | None = None) -> PydanticCustomError:
    """An error of a pydantic validator for a name that is not allowed; ``meant`` is what people may mean by it."""
    return PydanticCustomError(UNKNOWN, "unknown name", {"kind": kind, "value": value, "allowed": allowed, "meant": meant})


def sentences(error: ValidationError, model: type[BaseModel], name: str) -> list[str]:
    """One sentence for each problem that pydantic found while reading ``model`` from the file ``name``."""
    every = error.errors()
    lines = (sentence for details in every[:MOST_PROBLEMS] for sentence in _sentence(details, model, name))
    rest = f"{name}: and {len(every) - MOST_PROBLEMS} more problems. Correct those above first."
    shown = list(dict.fromkeys(mask_secrets(sentence).replace("\n", "\\n") for sentence in lines))
    return shown if len(every) <= MOST_PROBLEMS else [*shown, rest]


def _sentence(details: ErrorDetails, model: type[BaseModel], name: str) -> Iterator[str]:
    location = tuple(part for part in details["loc"] if part not in UNION_TAGS and part != "[key]")
    kind, value = details["type"], details["input"]
    place, key = _place(name, location), str(location[-1]) if location else name
    if kind == PROBLEMS:
        for below, sentence in details["ctx"]["pairs"]:
            yield f"{_place(name, (*location, below) if below else location)}: {sentence}"
    elif kind == UNKNOWN:
        yield unknown(place, **{**details["ctx"], "value": shortened(details["ctx"]["value"])})
    elif kind == "extra_forbidden":
        owner = _model_at(model, location[:-1])
        yield unknown(_place(name, location[:-1]), "key", shortened(key), key_names(owner) if owner else [])
    elif kind == "missing":
        yield f"{place}: this key is missing. It is required: {_description(model, location)}."
    elif kind == "literal_error" and isinstance(value, str):
        allowed = re.findall(r"'([^']*)'", details["ctx"]["expected"])
        yield unknown(place, key, shortened(value), allowed)
    elif kind == "invalid_key":
        yield f"{place}: found a key that is no string. Put the key in quotes."
    else:
        yield f"{place}: found {describe(value)}. Allowed: {_description(model, location)}."


def _place(name: str, location: tuple[int | str, ...]) -> str:
    """Where in the file, as a person writes it: ``fraud.yaml: rules[2].metric``."""
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{shortened(part)}" for part in location).removeprefix(".")
    return f"{name}: {path}" if path else name


def key_names(model: type[BaseModel]) -> list[str]:
    """The keys that may be written for a model, as they are written."""
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_at(model: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel] | None:
    """The model whose keys stand at a place in the file."""
    current: type[BaseModel] | None = model
    for part in location:
        if isinstance(part, int) or current is None:
            continue
        fields = current.model_fields.items()
        current = next((_model_in(field.annotation) for name, field in fields if part in (name, field.alias)), None)
    return current


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _model_in(part))), None)


def _description(model: type[BaseModel], location: tuple[int | str, ...]) -> str:
    """What the field at a place may hold: the description beside it in the model."""
    keys = [part for part in location if isinstance(part, str)]
    owner = _model_at(model, tuple(keys[:-1])) if keys else None
    for name, field in (owner.model_fields if owner else {}).items():
        if keys[-1] in (name, field.alias) and field.description:
            return field.description
    return "keys and values"


def shortened(text: str) -> str:
    """A name from the file, cut off where it is longer than any name is."""
    return text if len(text) <= LONGEST_NAME else f"{text[:LONGEST_NAME]}..."


def describe(value: object) -> str:
    """A value from the file in words; large or nested ones by their kind alone, secrets never.

    >>> describe(True), describe("x"), describe([1, 2])
    ('true (a yes/no value; put a name in quotes)', '"x"', 'a list of 2')
    """
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"{str(value).lower()} (a yes/no value; put a name in quotes)"
    if isinstance(value, str):
        text = mask_secrets(value)
        return f'"{text[:LONGEST_QUOTED]}..."' if len(text) > LONGEST_QUOTED else f'"{text}"'
    if isinstance(value, int) and abs(value) >= _LONGEST_NUMBER:
        return f"a number of more than {LONGEST_QUOTED} digits"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, Mapping):
        return "keys and values"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    return f"a {type(value).__name__} (put a string in quotes)"


def require_no_variable(text: str) -> str:
    """The text; ConfigError where Spark would put an environment variable or a setting in the place of a part, within quotes too.

    >>> require_no_variable("results/$x")
    'results/$x'
    """
    if SUBSTITUTED in text:
        raise ConfigError(
            f'found {describe(text)}: "{SUBSTITUTED}" begins a variable, and none is replaced: what the process knows stays out '
            "of a monitor's tables. Allowed: names, addresses and SQL as they are."
        )
    return text
