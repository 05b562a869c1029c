"""Settings: one precedence, a known origin for every value, one clear line for every mistake."""

from datetime import timedelta
from pathlib import Path

import pytest

from longshore import QueueManager
from longshore.core.errors import SettingsError, UnknownOption
from longshore.manager.settings import (
    ALIASES,
    Reading,
    Settings,
    describe,
    load_settings,
    read_settings,
    without_secrets,
)


def reading(folder: Path, environ: dict[str, str] | None = None, **overrides: object) -> Reading:
    return read_settings(overrides, environ=environ or {}, folder=folder)


def test_without_any_source_every_value_is_the_default(tmp_path: Path):
    found = reading(tmp_path)
    assert found.settings == Settings()
    assert set(found.origins.values()) == {"default"}


def test_arguments_win_over_the_environment_over_the_file_over_defaults(tmp_path: Path):
    path = tmp_path / "longshore.toml"
    path.write_text("concurrency = 2\nlease = 20\ngrace = 7\n")
    found = reading(tmp_path, {"LONGSHORE_CONCURRENCY": "3", "LONGSHORE_LEASE": "21"}, concurrency=4)
    assert (found.settings.concurrency, found.settings.lease, found.settings.grace) == (4, 21.0, 7.0)
    assert found.settings.poll == 5.0
    assert found.origins["concurrency"] == "argument"
    assert found.origins["lease"] == "LONGSHORE_LEASE"
    assert found.origins["grace"] == str(path)
    assert found.origins["poll"] == "default"


def test_the_nearest_file_upwards_is_read_and_a_pyproject_without_a_table_is_not(tmp_path: Path):
    (tmp_path / "pyproject.toml").write_text("[tool.longshore]\nconcurrency = 5\n")
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "a" / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    found = reading(inner)
    assert found.settings.concurrency == 5
    assert found.origins["concurrency"] == f"{tmp_path / 'pyproject.toml'} [tool.longshore]"
    (inner / "longshore.toml").write_text("concurrency = 6\n")
    assert reading(inner).settings.concurrency == 6


def test_longshore_toml_goes_before_the_pyproject_beside_it(tmp_path: Path):
    (tmp_path / "longshore.toml").write_text("concurrency = 1\n")
    (tmp_path / "pyproject.toml").write_text("[tool.longshore]\nconcurrency = 2\n")
    assert reading(tmp_path).settings.concurrency == 1


@pytest.mark.parametrize(
    ("environ", "url", "origin"),
    [
        ({"REDIS_URL": "redis://r", "DATABASE_URL": "postgresql://p"}, "redis://r", "REDIS_URL"),
        ({"DATABASE_URL": "postgresql://p"}, "postgresql://p", "DATABASE_URL"),
        ({"REDIS_URL": "redis://r", "LONGSHORE_URL": "memory://"}, "memory://", "LONGSHORE_URL"),
        ({"REDIS_URL": ""}, "sqlite:///longshore.db", "default"),
    ],
)
def test_a_platforms_url_stands_in_only_where_nothing_else_is_set(
    tmp_path: Path, environ: dict[str, str], url: str, origin: str
):
    """S3.22"""
    found = reading(tmp_path, environ)
    assert (found.settings.url, found.origins["url"]) == (url, origin)


def test_a_url_in_a_file_wins_over_a_platforms_url(tmp_path: Path):
    """S3.22"""
    (tmp_path / "longshore.toml").write_text('url = "memory://"\n')
    assert reading(tmp_path, {"REDIS_URL": "redis://r"}).origins["url"] == str(tmp_path / "longshore.toml")


def test_the_seeds_variables_are_read_with_the_prefix_and_ours_win(tmp_path: Path):
    """S4.9"""
    environ = {
        "LONGSHORE_QUEUE_CONCURRENCY": "5",
        "LONGSHORE_QUEUE_CLEANUP_DAYS": "1.5",
        "LONGSHORE_QUEUE_CLEANUP_INTERVAL": "3600",
    }
    found = reading(tmp_path, environ)
    assert found.settings.concurrency == 5
    assert found.settings.retention_completed == 129_600
    assert found.settings.prune_every == 3600
    assert found.origins["retention_completed"] == "LONGSHORE_QUEUE_CLEANUP_DAYS"
    assert reading(tmp_path, {**environ, "LONGSHORE_CONCURRENCY": "6"}).settings.concurrency == 6


def test_an_interval_in_the_seeds_milliseconds_is_refused_instead_of_waiting_a_month(tmp_path: Path):
    """S4.9"""
    with pytest.raises(SettingsError, match=r"LONGSHORE_QUEUE_CLEANUP_INTERVAL.*<= 86400"):
        reading(tmp_path, {"LONGSHORE_QUEUE_CLEANUP_INTERVAL": "3600000"})


def test_texts_become_the_types_of_their_settings(tmp_path: Path):
    environ = {
        "LONGSHORE_RETENTION_COMPLETED": "null",
        "LONGSHORE_LOG_LEVEL": "debug",
        "LONGSHORE_GRACE": " 3 ",
    }
    settings = reading(tmp_path, environ, lease=timedelta(minutes=1)).settings
    assert (settings.retention_completed, settings.log_level, settings.grace) == (None, "DEBUG", 3.0)
    assert settings.lease == 60.0


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("LEASE", "1", ">= 2"),
        ("CONCURRENCY", "many", "int"),
        ("LOG_LEVEL", "loud", "LOUD"),
        ("GRACE", "-1", ">= 0"),
    ],
)
def test_a_value_that_a_setting_cannot_have_names_the_place(
    tmp_path: Path, name: str, value: str, problem: str
):
    with pytest.raises(SettingsError, match=rf"LONGSHORE_{name}\).*{problem}"):
        reading(tmp_path, {f"LONGSHORE_{name}": value})


def test_days_that_are_no_number_are_refused(tmp_path: Path):
    with pytest.raises(SettingsError, match="LONGSHORE_QUEUE_CLEANUP_DAYS is 'week', which is no number"):
        reading(tmp_path, {"LONGSHORE_QUEUE_CLEANUP_DAYS": "week"})


def test_an_unknown_key_in_a_file_is_an_error_that_names_the_file_and_the_near_match(tmp_path: Path):
    path = tmp_path / "longshore.toml"
    path.write_text("concurency = 2\n")
    with pytest.raises(SettingsError) as caught:
        reading(tmp_path)
    assert str(path) in str(caught.value)
    assert "Did you mean 'concurrency'?" in str(caught.value)


@pytest.mark.parametrize("content", [b"concurrency = ", b"url = \xff", b"[tool\n"])
def test_a_file_that_cannot_be_read_is_one_clear_error(tmp_path: Path, content: bytes):
    (tmp_path / "pyproject.toml").write_bytes(content)
    with pytest.raises(SettingsError, match=r"pyproject\.toml cannot be read"):
        reading(tmp_path)


def test_a_misspelt_variable_is_warned_of_and_a_foreign_one_is_not(tmp_path: Path):
    environ = {"LONGSHORE_CONCURENCY": "3", "LONGSHORE_SERVICE_HOST": "10.0.0.1", "LONGSHORE_PARENT_FD": "5"}
    found = reading(tmp_path, environ)
    (warning,) = found.warnings
    assert warning.startswith("LONGSHORE_CONCURENCY in the environment is no setting")
    assert warning.endswith("Did you mean LONGSHORE_CONCURRENCY?")
    assert found.settings.concurrency == 10


def test_load_settings_logs_the_warnings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LONGSHORE_LEAS", "3")
    load_settings({"url": "memory://"})
    assert "Did you mean LONGSHORE_LEASE?" in caplog.text


def test_an_unknown_argument_names_the_known_ones(tmp_path: Path):
    with pytest.raises(UnknownOption, match=r"Did you mean 'concurrency'\?"):
        reading(tmp_path, concurrancy=3)


@pytest.mark.parametrize(
    ("url", "printed"),
    [
        ("redis://:s3cret@host:6379/0", "redis://***@host:6379/0"),
        ("postgresql://app:s3/cr@et@db/jobs", "postgresql://***@db/jobs"),
        ("postgresql://db/jobs?sslpassword=s3cret&x=1", "postgresql://db/jobs?sslpassword=***&x=1"),
        ("sqlite:////home/me@work/jobs.db", "sqlite:////home/me@work/jobs.db"),
        ("memory://", "memory://"),
    ],
)
def test_a_url_is_printed_without_its_secrets(url: str, printed: str):
    assert without_secrets(url) == printed


def test_neither_a_repr_nor_an_error_shows_a_secret(tmp_path: Path):
    settings = reading(tmp_path, url="redis://me:s3cret@host").settings
    assert "s3cret" not in repr(settings)
    with pytest.raises(SettingsError) as caught:
        reading(tmp_path, url=["s3cret"])
    assert "s3cret" not in str(caught.value)


def test_every_setting_says_what_it_is_and_every_alias_leads_to_one():
    assert [name for name in Settings.__struct_fields__ if not describe(name)] == []
    assert {setting for setting, _ in ALIASES.values()} <= set(Settings.__struct_fields__)


@pytest.mark.parametrize("url", ["sqlit:///jobs.db", "jobs.db", "mongodb://localhost/jobs"])
def test_a_url_that_no_store_speaks_is_refused_when_the_manager_is_made(url: str) -> None:
    with pytest.raises(SettingsError, match=r"Known: memory://.*, sqlite://"):
        QueueManager(url)
