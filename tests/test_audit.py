"""What the look for known vulnerabilities says of pip-audit's answers."""

from __future__ import annotations

import json
import subprocess

import pytest

from scripts import audit

SOUND = {"name": "numpy", "version": "2.2", "vulns": []}
UNKNOWN = {"name": "torch", "skip_reason": "Dependency not found on PyPI"}
BAD = {
    "name": "requests",
    "version": "2.0",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"]}, {"id": "PYSEC-2", "fix_versions": []}],
}


def answer(*packages: dict) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


def test_what_is_known_is_named_and_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.told(answer(SOUND, BAD, UNKNOWN), "Found 2 known vulnerabilities") == 1
    said = capsys.readouterr().out
    assert "requests 2.0: PYSEC-1, mended in 2.1" in said and "PYSEC-2, mended in no" in said
    assert "2 packages looked up, 1 with known" in said and "Not in the database: 1" in said


def test_nothing_known_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.told(answer(SOUND), "") == 0
    assert "1 packages looked up, 0 with known" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("told", "errors", "why"),
    [
        ("", "WARNING: x\nERROR:pip_audit._cli:Could not connect\n", "Could not connect"),
        ("", "", "no answer"),
        ("null", "No module named pip_audit", "No module named pip_audit"),
        (answer(UNKNOWN), "", "knows none"),
    ],
)
def test_without_a_database_it_is_skipped_with_a_reason(
    capsys: pytest.CaptureFixture[str], told: str, errors: str, why: str
) -> None:
    assert audit.told(told, errors) == 0
    said = capsys.readouterr().out
    assert said.startswith("No look for known vulnerabilities: ") and why in said


def test_a_database_that_keeps_silent_is_not_waited_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: object, timeout: float, **__: object) -> None:
        assert timeout <= 20
        raise subprocess.TimeoutExpired("pip_audit", timeout)

    monkeypatch.setattr(subprocess, "run", silent)
    assert audit.main() == 0
    assert "no answer within 20 s" in capsys.readouterr().out
