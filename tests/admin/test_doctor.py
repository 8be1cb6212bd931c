"""Checks of the machine: one that fails is a finding, and the others are made all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from avlink.admin import doctor
from avlink.core.errors import OutputError


def test_this_machine_is_healthy() -> None:
    findings = doctor.examine()
    assert [finding.name for finding in findings] == [
        "avlink",
        "torch",
        "torchaudio",
        "media",
        "codecs",
        "timelines",
        "plugins",
        "cache",
    ]
    assert all(finding.good and finding.text for finding in findings), findings


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OutputError("the cache cannot be written"), "the cache cannot be written"),
        (ImportError("no\n  such library"), "ImportError: no such library"),
        (OSError(2, "gone"), "FileNotFoundError: [Errno 2] gone"),
    ],
)
def test_a_failing_check_is_a_finding(monkeypatch: pytest.MonkeyPatch, error: Exception, text: str) -> None:
    def fail() -> str:
        raise error

    monkeypatch.setattr(doctor, "_torch", fail)
    findings = {finding.name: finding for finding in doctor.examine()}
    assert (findings["torch"].good, findings["torch"].text) == (False, text)
    assert all(finding.good for name, finding in findings.items() if name != "torch")


def test_missing_codecs_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_DECODERS", ("h264", "no-such-decoder"))
    monkeypatch.setattr(doctor, "_ENCODERS", ("no-such-encoder",))
    (codecs,) = [finding for finding in doctor.examine() if finding.name == "codecs"]
    assert codecs.text == "missing: no-such-decoder (reading), no-such-encoder (writing)"


def test_a_cache_that_cannot_be_written_is_a_finding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AVLINK_CACHE_DIR", str(tmp_path / "file"))
    (cache,) = [finding for finding in doctor.examine() if finding.name == "cache"]
    assert not cache.good and "cannot be written" in cache.text
