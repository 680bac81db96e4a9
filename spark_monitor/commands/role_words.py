"""The words by which columns are recognised: English, and the usual ones of German, French and Spanish tables. No Spark."""

from __future__ import annotations

PREDICTED_WORDS = frozenset({"prediction", "predictions", "predicted", "pred", "preds", "predict", "yhat", "forecast"}) | {
    *("vorhersage", "prognose", "vorhergesagt", "prevision", "predit", "predite", "prediccion", "pronostico"),
}
SCORE_WORDS = frozenset({"probability", "probabilities", "prob", "proba", "score", "scores", "confidence", "propensity"}) | {
    *("wahrscheinlichkeit", "probabilite", "probabilidad"),
}
LABEL_NOUNS = frozenset({"label", "labels", "target", "targets", "truth", "groundtruth", "outcome", "outcomes"}) | {
    *("ziel", "zielwert", "zielvariable", "wahrheit", "cible", "verite", "etiquette", "etiqueta", "objetivo"),
}
"""What turned out to be true, as the last word of a name: what follows it is about the label, such as label_source."""

LABEL_ADJECTIVES = frozenset({"actual", "actuals", "true", "observed", "realised", "realized", "labelled", "labeled"}) | {
    *("tatsachlich", "tatsaechlich", "reel", "reelle", "vrai", "vraie"),
}
LABEL_WORDS = LABEL_NOUNS | LABEL_ADJECTIVES
KNOWN_WORDS = frozenset({"known", "resolved", "settled", "confirmed"})
"""Of times: when a label became known."""

ARRIVAL_WORDS = frozenset(
    {"recorded", "updated", "created", "loaded", "ingested", "arrived", "received", "landed", "closed", "added"}
)
"""Of times: when a row of labels came, where nothing says it better."""

TIME_WORDS = frozenset({"at", "time", "timestamp", "ts", "date", "datetime", "day", "hour"}) | {
    *("zeit", "zeitpunkt", "zeitstempel", "datum", "horodatage", "heure", "fecha", "hora"),
}
MADE_WORDS = PREDICTED_WORDS | SCORE_WORDS | {"scored", "scoring", "inference", "request", "event"}
ID_WORDS = frozenset({"id", "uuid", "guid", "key"})
VERSION_WORDS = frozenset({"version", "ver", "revision"})
ANSWER_WORDS = frozenset({"y", "hat", "ground", "class", "value", "model", "output", "is"})
FACT_WORDS = frozenset({"is", "was", "has", "had", "did", "will", "flag", "been", "ist", "hat", "war", "est"})
"""Words of a question that is answered by yes or no."""


def is_probability_of(words: tuple[str, ...]) -> bool:
    """Whether a name says the probability of what follows.

    >>> is_probability_of(("p", "churn")), is_probability_of(("p", "value")), is_probability_of(("p",))
    (True, False, False)
    """
    return words[:1] == ("p",) and len(words) > 1 and "value" not in words
