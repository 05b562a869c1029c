"""`longshore doctor`: every planted misconfiguration is found, and a good place gets no complaint."""

import json
import re
import sys
from pathlib import Path

import msgspec
import pytest

from docs.findings import findings
from longshore.cli.checks import Machine, examine_machine, examine_settings
from longshore.cli.doctor import find_machine
from longshore.cli.libraries import outdated, outdated_libraries
from longshore.manager.settings import Reading, Settings, read_settings
from tests.doors.cli.conftest import Call

GOOD_MACHINE = Machine(is_root=False, first_process="systemd", open_files_limit=4096)
GOOD_URL = "sqlite:////var/lib/app/jobs.db"


def reading(**values: object) -> Reading:
    return read_settings({"url": GOOD_URL, **values}, environ={}, folder=Path("/"))


@pytest.mark.parametrize(
    ("code", "machine"),
    [
        ("root", Machine(is_root=True)),
        ("no-init", Machine(first_process="bash")),
        ("open-files", Machine(open_files_limit=256)),
        ("debugging", Machine(environ={"PYTHONASYNCIODEBUG": "1"})),
        ("clock-wrong", Machine(now_ms=0)),
        ("unfinished-python", Machine(prerelease="3.15.0a2")),
        ("old-library", Machine(outdated=("apsw 3.45 (needs 3.54)",))),
    ],
)
def test_a_planted_weakness_of_the_machine_is_found(code: str, machine: Machine):
    assert [finding.code for finding in examine_machine(machine)] == [code]


@pytest.mark.parametrize(
    ("code", "values"),
    [
        ("log-level", {"log_level": "DEBUG"}),
        ("long-grace", {"grace": 60}),
        ("short-lease", {"lease": 2}),
        ("no-retention", {"retention_completed": None}),
        ("short-dead-letters", {"retention_failed": 3600}),
        ("large-payloads", {"payload_limit": 100_000_000}),
    ],
)
def test_a_planted_weakness_of_the_settings_is_found(code: str, values: dict[str, object]):
    assert [finding.code for finding in examine_settings(reading(**values), GOOD_MACHINE)] == [code]


def test_a_store_that_nobody_chose_is_found():
    found = examine_settings(read_settings({}, environ={}, folder=Path("/")), GOOD_MACHINE)
    assert [finding.code for finding in found] == ["default-url"]


def test_two_urls_of_a_hosting_platform_are_found():
    environ = {"REDIS_URL": "redis://host", "DATABASE_URL": "postgresql://host/db"}
    read = read_settings({}, environ=environ, folder=Path("/"))
    machine = msgspec.structs.replace(GOOD_MACHINE, environ=environ)
    (finding,) = examine_settings(read, machine)
    assert (finding.code, finding.problem) == (
        "ambiguous-url",
        "REDIS_URL and DATABASE_URL are both set, and REDIS_URL was taken.",
    )
    read = read_settings({"url": GOOD_URL}, environ=environ, folder=Path("/"))
    assert list(examine_settings(read, machine)) == []


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("msgspec>=999.1", "msgspec .* \\(needs 999.1\\)"),
        ('redis[hiredis]>=999,<1000; extra == "redis"', "redis .* \\(needs 999\\)"),
        ("redis[hiredis]<1000,>=999; extra == 'redis'", "redis .* \\(needs 999\\)"),
        ("msgspec>=0.1", None),
        ("no-such-library>=1", None),
        ("msgspec", None),
    ],
)
def test_a_library_that_is_too_old_is_named(asked: str, says: str | None):
    found = outdated(asked)
    assert (found is None) == (says is None)
    if says is not None:
        assert re.fullmatch(says, str(found))


def test_the_libraries_that_these_tests_run_with_are_new_enough():
    assert outdated_libraries() == ()


def test_every_finding_stands_in_the_reference_and_is_planted_by_a_test():
    rows = findings()
    assert len({row.code for row in rows}) >= 25
    tests = "".join(path.read_text() for path in Path(__file__).parents[2].rglob("test_*.py"))
    assert [row.code for row in rows if not re.search(rf"[\"']{row.code}[\"']", tests)] == []


def test_a_misspelt_variable_is_found(tmp_path: Path):
    read = read_settings({"url": GOOD_URL}, environ={"LONGSHORE_LEAS": "3"}, folder=tmp_path)
    (finding,) = examine_settings(read, GOOD_MACHINE)
    assert finding.code == "unknown-variable"
    assert finding.remedy == "Did you mean LONGSHORE_LEASE?"


@pytest.mark.parametrize(
    ("content", "mode", "codes"),
    [
        ('url = "redis://me:s3cret@host"', 0o644, ["readable-secret"]),
        ('url = "redis://me:s3cret@host"', 0o600, []),
        ('url = "redis://host"', 0o644, []),
    ],
)
def test_a_secret_in_a_file_that_everybody_may_read_is_found(
    tmp_path: Path, content: str, mode: int, codes: list[str]
):
    path = tmp_path / "longshore.toml"
    path.write_text(content)
    path.chmod(mode)
    read = read_settings({}, environ={}, folder=tmp_path)
    found = list(examine_settings(read, find_machine(read)))
    assert [finding.code for finding in found] == codes
    assert all("s3cret" not in finding.problem for finding in found)


def test_a_good_place_gets_no_complaint():
    assert [*examine_machine(GOOD_MACHINE), *examine_settings(reading(), GOOD_MACHINE)] == []
    assert reading().settings == Settings(url=GOOD_URL)


def test_json_has_the_same_findings_and_warnings_alone_are_no_failure(call: Call):
    result = call("doctor", "--url", "memory://", "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)["findings"]
    assert {finding["level"] for finding in found} == {"warning"}
    assert "memory-forgets" in {finding["code"] for finding in found}


@pytest.mark.parametrize(("is_there", "said"), [(True, "uvloop \\d"), (False, "asyncio \\(uvloop is not")])
def test_it_says_which_event_loop_a_worker_runs_on(call: Call, monkeypatch, is_there, said):
    if not is_there:
        monkeypatch.setitem(sys.modules, "uvloop", None)
    assert re.search(rf"^loop +{said}", call("doctor", "--url", "memory://").stdout, re.MULTILINE)


def test_an_error_is_exit_code_1_and_has_its_remedy(call: Call, nowhere: Path):
    """S3.23"""
    (nowhere / "longshore.toml").write_text('url = "memory://me:s3cret@jobs"')
    (nowhere / "longshore.toml").chmod(0o644)
    result = call("doctor")
    assert result.exit_code == 1
    assert "error [readable-secret]" in result.stdout
    assert "→ chmod 600 the file" in result.stdout
    assert "1 error" in result.stdout.splitlines()[-1]


def test_a_store_that_nobody_serves_is_wrong_usage(call: Call):
    result = call("doctor", "--url", "mysql://host/jobs")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: No store speaks mysql://")
