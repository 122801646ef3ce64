"""The template as it lies here, projects made of it, the servers that they run on, and how far the tests are."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pytest_copie.plugin import Copie

from dev.postgres import Server, temporary_server

REWRITTEN = ("changing", "first_revision", "migrator", "noticing", "projects", "serving", "updating", "writers")
pytest.register_assert_rewrite(*REWRITTEN)

from mutants import Mutant  # noqa: E402 - registered before they are imported
from noticing import Notices, noticed_by  # noqa: E402
from projects import DEBIAN, IDENTITY, MISSING, NODE_17, NPM_17, ROOT, Render, tool  # noqa: E402
from updating import release  # noqa: E402

# Run inside a rendered project.
collect_ignore = [
    "encrypted",
    "migrating",
    "pooled",
    "proofs",
    "row_security",
    "row_security_plans",
    "signing_in",
    "signing_in_supabase",
]

# --- The template ---


@pytest.fixture(scope="session", autouse=True)
def git_identity() -> Iterator[None]:
    """Copier runs git as well."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in IDENTITY.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as it lies here, changes that are not committed included, without its history: renders faster."""
    copy = tmp_path_factory.mktemp("template")
    listing = [
        "git",
        "-c",
        "safe.directory=*",
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
        "copier.yml",
        "hooks",
        "template",
    ]
    for name in subprocess.check_output(listing, cwd=ROOT, text=True).split("\0"):
        if name and (ROOT / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="session")
def released(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as a repository with one release, which projects are updated from."""
    return release(template, tmp_path_factory.mktemp("released"))


@pytest.fixture(scope="session")
def questions(template: Path) -> dict[str, dict[str, Any]]:
    """What `copier.yml` asks; without the facts that it derives."""
    settings: dict[str, Any] = yaml.safe_load((template / "copier.yml").read_text())
    return {name: item for name, item in settings.items() if name[0] != "_" and item.get("when", True) is not False}


@pytest.fixture(scope="session")
def render(
    template: Path, questions: dict[str, Any], copie_session: Copie, tmp_path_factory: pytest.TempPathFactory
) -> Render:
    """Render the template: unlike pytest-copie, refuse an answer that nobody asked for, and raise what went wrong."""
    rendered: dict[str, Path] = {}

    def render(folder: str = "project", /, **answers: Any) -> Path:
        if unknown := answers.keys() - questions.keys():
            raise TypeError(f"copier.yml does not ask for {', '.join(sorted(unknown))}")
        key = json.dumps(answers, sort_keys=True)
        if key not in rendered:
            result = copie_session.copy(answers, template_dir=template)
            if result.exception:
                raise result.exception
            assert result.project_dir is not None
            rendered[key] = result.project_dir
        # Each test gets a copy of its own, which takes a hundredth of a render.
        return shutil.copytree(rendered[key], tmp_path_factory.mktemp("rendered") / folder)

    return render


@pytest.fixture(scope="session")
def check_types(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], None]:
    """Run mypy as the project sets it up, always in the same place: then its cache holds for all that is the same."""
    place = tmp_path_factory.mktemp("types")

    def check(project: Path) -> None:
        shutil.rmtree(place / "project", ignore_errors=True)
        shutil.copytree(project, place / "project")
        assert tool(place / "project", "mypy", f"--cache-dir={place}").startswith("Success: no issues found")

    return check


@pytest.fixture
def place() -> Iterator[Path]:
    """Unlike tmp_path not closed to others: as root, PostgreSQL runs as another account."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name).resolve()
        place.chmod(0o755)
        yield place


# --- Servers ---


@pytest.fixture(scope="session")
def postgres_18() -> Iterator[Server]:
    """A server from the wheel."""
    yield from _start(None)


@pytest.fixture(scope="session")
def postgres_17() -> Iterator[Server]:
    """The one between them: from npm, if somebody has run NPM_17 in this repository."""
    if not (NODE_17 / "initdb").exists():
        pytest.skip(f"{MISSING}PostgreSQL 17 in {NODE_17}: {NPM_17}")
    yield from _start(NODE_17)


@pytest.fixture(scope="session")
def postgres_15() -> Iterator[Server]:
    """The oldest server that is supported, as Debian packages it."""
    if not (DEBIAN / "initdb").exists():
        pytest.skip(f"{MISSING}PostgreSQL 15 in {DEBIAN}")
    yield from _start(DEBIAN)


@pytest.fixture(scope="module", params=["18", "15"])
def server(request: pytest.FixtureRequest) -> Server:
    """The newest server and the oldest, or those whose versions a test names as indirect parameters."""
    found: Server = request.getfixturevalue(f"postgres_{request.param}")
    return found


def _start(binaries: Path | None) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("POSTGRES_BIN", raising=False)
        if binaries:
            patch.setenv("POSTGRES_BIN", str(binaries))
        with temporary_server() as server:
            yield server


# --- How far the tests are ---


@pytest.fixture
def progress(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Print a line as soon as the test ends, from whichever process it runs in."""
    return lambda text: record_property("progress", text)


@pytest.fixture
def assert_noticed(postgres_18: Server, tmp_path: Path, progress: Callable[[str], None]) -> Notices:
    """Make a mistake in a copy of a project, run the tests that should notice, and tell which one did."""

    def check(mutant: Mutant, project: Path, **environment: str) -> None:
        given = {"TEST_DATABASE_URL": postgres_18.url(), **environment}
        progress(f"{mutant.name}: {noticed_by(mutant, project, tmp_path / 'copy', **given)}")

    return check


class ProgressLines:
    """Prints those lines."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self.terminal = terminal

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            for text in (value for name, value in report.user_properties if name == "progress"):
                self.terminal.write_line(f"{text}: {report.outcome} in {report.duration:.1f} s")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal and not hasattr(config, "workerinput"):
        config.pluginmanager.register(ProgressLines(terminal))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI, a machine that lacks something is a failure: nobody reads what was skipped."""
    report = yield
    if report.skipped and os.environ.get("CI") and MISSING in str(report.longrepr):
        report.outcome = "failed"
        report.longrepr = f"Skipped, which CI must not: {report.longrepr}"
    return report
