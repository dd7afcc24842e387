"""Settings come from the environment and misspelt ones are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from app.config import Settings


def test_defaults_listen_on_this_machine_only() -> None:
    settings = Settings()
    assert (settings.host, settings.port, settings.token) == ("127.0.0.1", 8000, None)
    assert settings.resolved_weights_dir == Path("workspace/weights").resolve()


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AI_STUDIO_WORKSPACE_ROOT", str(tmp_path))
    monkeypatch.setenv("AI_STUDIO_MAX_UPLOAD_SIZE", "1000")
    settings = Settings()
    assert (settings.workspace_root, settings.max_upload_size) == (tmp_path, 1000)


def test_a_misspelt_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_STUDIO_PROT", "1")
    with pytest.raises(ValidationError, match="AI_STUDIO_PROT"):
        Settings()


@pytest.mark.parametrize(("name", "value"), [("PORT", "70000"), ("TOKEN", "short"), ("MAX_PIXELS", "0")])
def test_values_out_of_range_are_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"AI_STUDIO_{name}", value)
    with pytest.raises(ValidationError):
        Settings()


def test_every_setting_has_help_and_is_documented() -> None:
    documented = Path("plan/settings.md").read_text("utf-8")
    assert len(Settings.model_fields) == 32
    for name, field in Settings.model_fields.items():
        assert field.description
        assert f"`AI_STUDIO_{name.upper()}`" in documented
