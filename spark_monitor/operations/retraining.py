"""What a new version of a model changed against the one before: the schema that it takes and its classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from spark_monitor.operations.registered import Registered

SHOWN = 5


@dataclass(frozen=True)
class Predicted:
    """What a version predicted in a window: how often each class, as strings, of so many rows with a prediction.

    ``complete`` says whether these are all classes; of a number with many values they are not.
    """

    classes: Mapping[str, int] = field(default_factory=dict)
    rows: int = 0

    @property
    def complete(self) -> bool:
        """Whether every row's class is among them."""
        return bool(self.rows) and sum(self.classes.values()) == self.rows

    def positives(self, positive: object) -> int:
        """How many rows were predicted to be of the positive class.

        >>> Predicted({"1.0": 30, "0.0": 70}, 100).positives(1), Predicted({"yes": 3, "no": 5}, 8).positives("yes")
        (30, 3)
        """
        return sum(many for name, many in self.classes.items() if _same(name, positive))


def _same(text: str, value: object) -> bool:
    try:
        return float(text) == float(str(value))
    except ValueError:
        return text.lower() == str(value).lower()


def schema_changes(before: Registered | None, now: Registered | None) -> str:
    """What the signatures take that differs, in words; nothing where one of them is not known.

    >>> schema_changes(Registered("1", (("a", "long", True), ("b", "string", True))), Registered("2", (("a", "double", True),)))
    'a from long to double; removed b'
    """
    if before is None or now is None or not before.inputs or not now.inputs:
        return ""
    old, new = ({name: kind for name, kind, _ in registered.inputs} for registered in (before, now))
    parts = [f"{name} from {old[name]} to {new[name]}" for name in new if name in old and old[name] != new[name]]
    parts += [f"added {name} ({new[name]})" for name in new if name not in old]
    parts += [f"removed {name}" for name in old if name not in new]
    return "; ".join(parts)


def class_changes(before: Predicted | None, now: Predicted | None) -> str:
    """Classes that only one of the versions predicted, in words; nothing where not all classes of both are known.

    >>> class_changes(Predicted({"a": 5, "b": 1}, 6), Predicted({"a": 5, "c": 2}, 7))
    'c is new; b is not predicted any more'
    """
    if before is None or now is None or not before.complete or not now.complete:
        return ""
    gained, lost = sorted(set(now.classes) - set(before.classes)), sorted(set(before.classes) - set(now.classes))
    parts = [f"{', '.join(gained[:SHOWN])} {'is' if len(gained) == 1 else 'are'} new"] if gained else []
    parts += [f"{', '.join(lost[:SHOWN])} {'is' if len(lost) == 1 else 'are'} not predicted any more"] if lost else []
    return "; ".join(parts)
