"""Which version an alias named in a window, by looks at it alone: never a verdict that a full history would contradict."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spark_monitor.operations.aliases import NOT_SET, Named, Sighting, absent, named_in, served

FAR = 10_000


def history_of(random: np.random.Generator) -> list[tuple[int, str]]:
    """When an alias was set to which version, or removed."""
    times = np.sort(random.choice(FAR, random.integers(1, 8), replace=False)).tolist()
    return [(int(at), str(random.choice(["1", "2", "3", NOT_SET], p=[0.3, 0.3, 0.3, 0.1]))) for at in times]


def truth(history: list[tuple[int, str]], at: int) -> str:
    return ([NOT_SET] + [version for time, version in history if time <= at])[-1]


@pytest.mark.parametrize("seed", range(300))
def test_no_window_is_judged_against_what_a_full_history_says(seed: int) -> None:
    random = np.random.default_rng(seed)
    history = history_of(random)
    # A look after every move, so that none is missed between two, and others in between.
    moves = [at for at, _ in history]
    looks = sorted({*(at + int(random.integers(0, 40)) for at in moves), *random.choice(FAR, 12).tolist()})
    looks = [at for at in looks if at >= random.choice([0, 3_000])]
    between = [sum(before < at <= now for at in moves) for before, now in zip([-1, *looks], looks, strict=False)]
    seen = [Sighting(at, {"champion": truth(history, at)}) for at in looks]
    for _ in range(40):
        start = int(random.integers(0, FAR - 500))
        end = start + int(random.integers(20, 500))
        real = {truth(history, at) for at in range(start, end)}
        found = named_in("champion", seen, start, end)
        well_seen = all(many <= 1 for many, at in zip(between, looks, strict=True) if start <= at)
        for version in ("1", "2", "3"):
            verdict = served(version, [found], written=True)
            if verdict.mismatch == 1 and well_seen and found.until_end:
                # The first look of all is believed of the windows beside it, and its sentence says so.
                assert (found.first_look is None) == found.since_start
                assert version not in real or found.first_look is not None
            if verdict.mismatch == 0 and well_seen and found.steady == version:
                assert real == {version}
            if not any(at < end + (end - start) for at in looks):
                assert verdict.mismatch is None
        if absent(found, ["9"]) is not None and well_seen:
            assert real == {found.steady}


CHAMPION = Named("champion", ("4",), since_start=True, until_end=True)
CHALLENGER = Named("challenger", ("5",), since_start=True, until_end=True)


@pytest.mark.parametrize(
    ("version", "aliases", "written", "mismatch", "sentence"),
    [
        ("4", [CHAMPION], True, 0.0, None),
        ("5", [CHAMPION], True, 1.0, "Version 5 made predictions; champion is version 4."),
        ("5", [CHAMPION, CHALLENGER], True, 0.0, None),
        ("3", [CHAMPION, CHALLENGER], False, 1.0, "Version 3 made predictions; champion is version 4, challenger 5."),
        (
            "3",
            [Named("champion", ("3", "4"), True, True)],
            True,
            0.0,
            "champion moved about this window, 3 to 4: either is as expected.",
        ),
        (
            "2",
            [Named("champion", ("3", "4"), True, True)],
            True,
            1.0,
            "Version 2 made predictions; champion moved about this window, 3 to 4.",
        ),
        ("4", [Named("champion", (), False, True)], True, None, "had not been looked up before this window's end."),
        ("4", [Named("champion", ("4",), False, True)], True, 0.0, None),
        (
            "3",
            [Named("champion", ("4",), False, True, first_look=86_400_000_000)],
            True,
            1.0,
            "champion is version 4. It was first looked up 1970-01-02 00:00:00 UTC, and may be new since.",
        ),
        ("3", [CHAMPION, Named("challenger", (), False, True)], True, None, "challenger had not been looked up before"),
        ("3", [Named("champion", (NOT_SET,), True, True)], True, None, "had no alias champion"),
        ("3", [Named("champion", (NOT_SET, "4"), True, True)], True, None, "had no alias champion"),
        ("3", [Named("champion", (NOT_SET,), True, True), CHALLENGER], True, None, "had no alias champion"),
        ("3", [Named("champion", (NOT_SET,), True, True)], False, 0.0, "only whether the version is registered"),
    ],
)
def test_a_version_is_held_against_the_aliases_of_its_window(
    version: str, aliases: list[Named], written: bool, mismatch: float | None, sentence: str | None
) -> None:
    found = served(version, aliases, written=written)
    assert found.mismatch == mismatch
    assert (found.message is None) if sentence is None else (found.message or "").endswith(sentence) or sentence in found.message


def test_the_version_that_must_serve_is_missed_where_the_alias_named_it_throughout() -> None:
    assert absent(CHAMPION, ["4", "5"]) is None
    found = absent(CHAMPION, ["3", "5"])
    assert found is not None
    assert (found.mismatch, found.message) == (1.0, "Version 4 is champion and made no prediction; versions 3, 5 did.")
    for unsure in (
        Named("champion", ("4",), True, False),
        Named("champion", ("4",), False, True),
        Named("champion", ("3", "4"), True, True),
    ):
        assert absent(unsure, ["5"]) is None


@pytest.mark.filterwarnings("ignore")  # MLflow's own, of its database
def test_the_aliases_of_a_real_registry_are_read(tmp_path: Path) -> None:
    from spark_monitor.outputs.mlflow.client import open_client
    from spark_monitor.outputs.mlflow.registered import read_aliases

    address = f"sqlite:///{tmp_path}/mlflow.db"
    assert read_aliases(address, "absent") == {}
    with open_client(address) as client:
        client.create_registered_model("made")
        for _ in range(2):
            client.create_model_version("made", source=str(tmp_path))
        client.set_registered_model_alias("made", "champion", "2")
        client.set_registered_model_alias("made", "challenger", "1")
    assert read_aliases(address, "made") == {"champion": "2", "challenger": "1"}
    with open_client(address) as client:
        client.delete_registered_model_alias("made", "challenger")
    assert read_aliases(address, "made") == {"champion": "2"}


def test_the_first_look_speaks_for_the_window_before_it_and_for_no_earlier_one() -> None:
    seen = [Sighting(1_000, {"champion": "4"})]
    about = [[named_in("champion", seen, start, start + 100)] for start in (700, 800, 900)]
    assert [served("3", each, written=True).mismatch for each in about] == [None, None, 1.0]
    assert served("4", [named_in("champion", seen, 900, 1_000)], written=True) == served("4", [CHAMPION], written=True)


def test_a_look_at_a_windows_first_timestamp_tells_what_served_since_then() -> None:
    seen = [Sighting(at, {"champion": version}) for at, version in ((0, "3"), (10, "4"), (20, "4"))]
    assert [named_in("champion", seen, start, start + 10).versions for start in (0, 10)] == [("3", "4"), ("4",)]
    assert named_in("champion", seen, 10, 20).steady == "4"
