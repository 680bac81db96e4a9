"""Which column holds the label (ground truth): by its name, by the prediction that it goes with, and by its values. No Spark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from spark_monitor.commands.role_words import (
    ANSWER_WORDS,
    FACT_WORDS,
    ID_WORDS,
    LABEL_ADJECTIVES,
    LABEL_NOUNS,
    LABEL_WORDS,
    PREDICTED_WORDS,
    SCORE_WORDS,
)
from spark_monitor.text.words import words_of

if TYPE_CHECKING:
    from spark_monitor.commands.roles import Column, Task

PLAIN, WITH_ANSWER, NAMED, OF_ANSWER, ADJECTIVE, FACT, YES_OR_NO = 7, 6, 5, 4, 3, 2, 1
"""How well a name fits: a label and no more; with the answer's own words; ending in a word for it; the answer's words alone; an
actual something; a fact that may be anything; not at all, but the values do."""

LEAST_TOGETHER: Final = 0.05
LEAST_TOGETHER_OF_OTHERS: Final = 0.2
"""So closely a label goes with the answers of a model that is worth anything (Pearson's correlation); so closely where its name
tells little."""

MOST_CLASSES: Final = 50
_STEM = 5


def name_fits(name: str, answer: Iterable[str] = ()) -> int:
    """How well a name fits a label, 0 where it does not; ``answer`` are the words of what the model answers.

    >>> [name_fits(name) for name in ("y_true", "bound_label", "actualPrice", "label_source", "predicted_label", "amount")]
    [7, 5, 3, 0, 0, 0]
    >>> [name_fits(name, ("fraud", "score")) for name in ("is_fraud", "is_weekend", "fraud_rule")]
    [4, 2, 0]
    """
    words = words_of(name)
    if set(words) & (PREDICTED_WORDS | SCORE_WORDS | ID_WORDS):
        return 0
    answer_stems = stems(answer)
    rest = stems(word for word in words if word not in LABEL_WORDS)
    ends = [word for word in words if word not in ANSWER_WORDS and not word.isdigit()]
    if set(words) & LABEL_WORDS:
        if set(words) <= LABEL_WORDS | ANSWER_WORDS:
            return PLAIN
        if ends and ends[-1] in LABEL_NOUNS:
            return WITH_ANSWER if answer_stems & rest else NAMED
        if words[0] in LABEL_ADJECTIVES or words[-1] in LABEL_ADJECTIVES:
            return WITH_ANSWER if answer_stems and answer_stems == rest else ADJECTIVE
        return 0
    if answer_stems and answer_stems == rest:
        return OF_ANSWER
    return FACT if words and (words[0] in FACT_WORDS or words[-1] == "flag" or words[-1].endswith("ed")) else 0


def stems(words: Iterable[str]) -> frozenset[str]:
    """What tells names apart: the beginnings of words that do not merely say that something is an answer or a fact.

    >>> sorted(stems(("predicted", "fraudulent", "score"))), sorted(stems(("is", "fraud")))
    (['fraud'], ['fraud'])
    """
    plain = PREDICTED_WORDS | SCORE_WORDS | LABEL_WORDS | ANSWER_WORDS | FACT_WORDS
    return frozenset(word[:_STEM] for word in words if word not in plain)


def may_be_labels(names: Iterable[str]) -> frozenset[str]:
    """The columns whose values are worth a look because they could be labels of one of the table's answers."""
    every = list(names)
    answers = [words for words in map(words_of, every) if set(words) & (PREDICTED_WORDS | SCORE_WORDS)] or [()]
    return frozenset(name for name in every if any(name_fits(name, words) for words in answers))


def label_fits(column: Column, answer: Iterable[str], task: Task) -> int:
    """How well a column fits a label, by its name and by its values; 0 where it is none of this task's."""
    if column.kind in ("time", "other") or not has_values_of(column, task):
        return 0
    named = name_fits(column.name, answer)
    # In another language a fact may have any name: one that is there or is not, and goes with the score, is worth a word.
    yes_or_no = task == "binary" and column.kind in ("whole", "boolean") and column.count == len(("no", "yes"))
    return named or (YES_OR_NO if yes_or_no and not set(column.words) & ID_WORDS else 0)


def has_values_of(column: Column, task: Task) -> bool:
    """Whether there may be labels among a column's values: no more than two, so many classes, or numbers."""
    count = len(column.values) if column.values is not None else column.count
    if task == "binary":
        return count is None or 1 <= count <= len(("no", "yes"))
    if task == "multiclass":
        return column.kind != "real" and (count is None or 1 <= count <= MOST_CLASSES)
    return task == "regression" and column.kind in ("whole", "real") and (count is None or count > len(("no", "yes")))


def chosen(fits: Mapping[str, int], together: Mapping[str, float | None]) -> tuple[str | None, tuple[str, ...]]:
    """The label among the columns that fit, None where none surely is; and those that may be one as well, likeliest first.

    ``together`` is how closely each goes with the answers, where that is known. A name that says nothing but "label" is one
    whatever its values; any other that does not go with the answers is none.

    >>> fits = {"sales_target": NAMED, "demand": OF_ANSWER, "was_late": FACT}
    >>> chosen(fits, {"sales_target": 0.01, "demand": 0.97, "was_late": 0.3})
    ('demand', ('was_late',))
    >>> chosen({"was_late": FACT}, {"was_late": 0.9})
    (None, ('was_late',))
    """

    def goes(name: str) -> bool:
        correlation = together.get(name)
        least = LEAST_TOGETHER_OF_OTHERS if fits[name] in (ADJECTIVE, YES_OR_NO) else LEAST_TOGETHER
        return correlation is None or abs(correlation) >= least

    order = sorted(fits, key=lambda name: (-fits[name], -abs(together.get(name) or 0.0)))
    label = next((name for name in order if fits[name] == PLAIN or (fits[name] > FACT and goes(name))), None)
    return label, tuple(name for name in order if name != label and goes(name))
