"""What comes of a prediction: answers, and the reason for each way in which a model can fail."""

import json
import sys
from pathlib import Path

import pytest

from mlcore.artifacts import ArtifactStore
from mlcore.engine import Engine, Failure
from mlcore.errors import UnsupportedArtifact
from tests.mlcore.asking import (
    ENOUGH_SECONDS,
    LUCKY,
    Logs,
    Register,
    ask,
    doubled,
    failure,
    pid_of,
)
from tests.models import faulty
from tests.models.faulty import Doubles, unlucky


def test_it_works(engine: Engine, register: Register) -> None:
    doubles = register(Doubles())
    assert ask(engine, doubles) == []
    assert ask(engine, doubles, {"x": 1.0}, {"x": 0.5}, {"x": 2.0}) == [doubled(1), doubled(0.5), doubled(2)]
    [loaded] = engine.loaded()
    assert (loaded.format, loaded.artifact) == ("joblib", doubles.artifact)
    assert loaded.resident_bytes > 10_000_000
    ask(engine, doubles, LUCKY)
    assert pid_of(engine, doubles) == loaded.pid


def test_a_line_of_log_says_for_whom(heard: Engine, register: Register, capfd: Logs) -> None:
    context = {"model": "demo/doubles", "prediction_ids": ["p1", "p2"], "request_ids": ["r1"]}
    rows = [LUCKY, unlucky(faulty.prints)]
    heard.predict(register(Doubles()), rows, timeout_seconds=ENOUGH_SECONDS, context=context)
    *printed, last = capfd.readouterr().err.splitlines()
    assert printed == ["printed by the model", "written by the model"]
    line = json.loads(last)
    assert {**line, **context, "event": "prediction_run", "level": "info", "rows": 2, "failed": 0} == line


def test_a_model_that_raises(engine: Engine, register: Register) -> None:
    alone = failure(ask(engine, register(Doubles()), unlucky(faulty.raises)))
    assert (alone.reason, alone.shared) == ("model_error", False)
    assert alone.message == "ValueError: not a number I like \N{REPLACEMENT CHARACTER} ?"
    assert "in raises" in alone.traceback


def test_neighbours_of_a_row_that_fails_may_try_alone(engine: Engine, register: Register) -> None:
    doubles = register(Doubles())
    first, second = ask(engine, doubles, LUCKY, unlucky(faulty.raises))
    assert isinstance(first, Failure)
    assert (first, first.shared) == (second, True)
    assert ask(engine, doubles, LUCKY) == [doubled(1)]


def test_a_row_whose_answer_is_wrong_fails_alone(engine: Engine, register: Register) -> None:
    right, wrong = ask(engine, register(Doubles()), LUCKY, {"x": faulty.ANSWERS_NAN})
    assert right == doubled(1)
    assert isinstance(wrong, Failure)
    assert (wrong.reason, wrong.shared) == ("invalid_output", False)


def test_neighbours_of_a_row_that_takes_too_long_may_try_alone(engine: Engine, register: Register) -> None:
    doubles = register(Doubles())
    assert ask(engine, doubles, LUCKY) == [doubled(1)]
    outcomes = ask(engine, doubles, LUCKY, unlucky(faulty.loops), timeout_seconds=0.2)
    assert outcomes == [Failure("timeout", "The model took longer than 0.2 s, its time limit.", shared=True)] * 2


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (faulty.RaisesOnLoad(), "ValueError: not a number I like"),
        (
            faulty.NeedsAMissingModule(),
            "the Python module 'a_module_that_nobody_has', which is not installed here: install it",
        ),
    ],
)
def test_a_file_that_cannot_be_loaded(engine: Engine, register: Register, model: object, words: str) -> None:
    manifest = register(model)
    for _ in range(2):
        first, second = ask(engine, manifest, LUCKY, LUCKY)
        assert isinstance(first, Failure)
        assert (first, first.reason, first.shared) == (second, "load_failed", False)
        assert words in first.message
        assert "in __setstate__" in first.traceback
    assert manifest.artifact not in [loaded.artifact for loaded in engine.loaded()]


def test_a_file_that_takes_too_long_to_load(store: ArtifactStore, register: Register) -> None:
    with Engine(store, load_timeout_seconds=0.2) as engine:
        failed = failure(ask(engine, register(faulty.LoopsOnLoad()), LUCKY))
    words = "The model took longer than 0.2 s to load, which is all that this server allows."
    assert failed == Failure("load_failed", words)


def test_a_file_that_is_not_a_model(engine: Engine, register: Register) -> None:
    failed = failure(ask(engine, register({"no": "model"}), LUCKY))
    assert failed.reason == "load_failed"
    assert "a dict, which cannot predict" in failed.message


@pytest.mark.parametrize("how", ["changed", "deleted", "swapped for a link"])
def test_a_file_that_was_tampered_with_is_not_loaded(
    engine: Engine, store: ArtifactStore, register: Register, tmp_path: Path, how: str
) -> None:
    manifest = register(Doubles(how))
    path = store.path(manifest.artifact)
    content = path.read_bytes()
    path.unlink()
    if how == "changed":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    if how == "swapped for a link":
        (tmp_path / "same").write_bytes(content)
        path.symlink_to(tmp_path / "same")
    failed = failure(ask(engine, manifest, LUCKY))
    assert (failed.reason, failed.shared) == ("artifact_integrity", False)


def test_a_model_sees_no_secrets(store: ArtifactStore, register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "hunter2")
    with Engine(store, threads=3, environment={"PYTHONPATH": "/models", "EXTRA": "1"}) as engine:
        rows, context = [unlucky(faulty.tells_its_surroundings)], {"model": "demo/tells"}
        [told] = engine.predict(register(Doubles()), rows, timeout_seconds=ENOUGH_SECONDS, context=context)
    assert isinstance(told, Failure)
    words = told.message.split()
    assert not {"SECRET_KEY", "DATABASE_URL", "REDIS_URL"} & set(words)
    assert {"PATH", "OMP_NUM_THREADS", "EXTRA", "demo/tells", "joblib", "cwd=/"} <= set(words)


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"12345")
    with (
        Engine(ArtifactStore(tmp_path / "store", max_bytes=4)) as engine,
        pytest.raises(UnsupportedArtifact, match="larger than 4 bytes"),
    ):
        engine.inspect(tmp_path / "large")


def test_a_file_of_no_known_kind(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    with pytest.raises(UnsupportedArtifact, match="of no kind that is known here"):
        engine.inspect(tmp_path / "text")


def test_a_machine_without_room_for_a_process(
    store: ArtifactStore, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with Engine(store) as engine:
        failed = failure(ask(engine, register(Doubles()), LUCKY))
    assert (failed.reason, failed.shared) == ("runner_crashed", False)
    assert failed.message == "The runner could not be started: No such file or directory."
