"""Settings: what is missing or wrong ends the start, and the files around the code name exactly what is read."""

import re
from pathlib import Path

import pytest

from app.database.url import parse_url
from app.settings import Settings, get_settings


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """No environment and no `.env` file."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(str(tmp_path))
    get_settings.cache_clear()


def test_a_missing_database_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match=r"DATABASE_URL: Field required"):
        get_settings()


def test_a_wrong_value_is_named_but_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me@db/shop")
    monkeypatch.setenv("POOL_SIZE", "many")
    with pytest.raises(SystemExit, match=r"POOL_SIZE: .*integer"):
        get_settings()


@pytest.mark.parametrize("url", ["mysql://me@db/shop", "nonsense", "postgresql://me@db/shop?channel_binding=require"])
def test_a_database_that_cannot_be_meant_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(SystemExit, match="DATABASE_URL: "):
        get_settings()


def test_secrets_are_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:your_password_here@localhost/shop")
    assert "your_password_here" not in repr(get_settings())


PROJECT = Path(__file__).parents[1]
NAMES = {name.upper() for name in Settings.model_fields}
# Read by others: the PostgreSQL image, Python and the shell.
OTHERS = {"PATH", "PYTHONUNBUFFERED", "TZ", *(f"POSTGRES_{name}" for name in ("DB", "INITDB_ARGS", "PASSWORD", "USER"))}
EXAMPLE = re.compile(r"^#? ?([A-Z_]+)=(.*)$", re.MULTILINE)


def read(name: str) -> str:
    return (PROJECT / name).read_text()


def compose_environment() -> dict[str, str]:
    """What compose.yaml sets, in any service: the deeper lines below each `environment:`."""
    blocks = re.findall(r"^( +)environment:\n((?:\1 +.*\n)+)", read("compose.yaml"), re.MULTILINE)
    return {name: value for _, block in blocks for name, value in re.findall(r"([A-Z_]+): (.*)\n", block)}


def image_environment() -> dict[str, str]:
    """What the last stage of the Dockerfile sets."""
    lines = re.findall(r"^ENV (.*)$", read("Dockerfile").rpartition("\nFROM ")[2], re.MULTILINE)
    return {name: value for line in lines for name, value in re.findall(r'([A-Z_]+)=("[^"]*"|\S+)', line)}


def settings_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Read the settings as the application does when it starts in this folder."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(folder)
    return Settings.model_validate({})


def test_the_example_names_every_setting_once_and_nothing_else() -> None:
    names = [name for name, _ in EXAMPLE.findall(read(".env.example"))]
    assert sorted(names) == sorted(NAMES)


def test_the_example_shows_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = {name: value for name, value in EXAMPLE.findall(read(".env.example")) if not name.endswith("_URL")}
    given = shown | {"DATABASE_URL": "postgresql://localhost/app"}
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in given.items()))
    settings = settings_in(tmp_path, monkeypatch).model_dump()
    defaults = {name: Settings.model_fields[name].default for name in map(str.lower, shown)}
    assert {name: settings[name] for name in defaults} == defaults


def test_the_urls_of_the_example_can_be_read() -> None:
    urls = [value for name, value in EXAMPLE.findall(read(".env.example")) if name.endswith("DATABASE_URL")]
    assert [parse_url(url).database != "" for url in urls] == [True, True]


def test_the_example_holds_no_secret() -> None:
    passwords = re.findall(r"://[^:/]+:([^@]*)@", read(".env.example"))
    assert passwords
    assert set(passwords) == {"your_password_here"}


def test_compose_sets_what_somebody_reads() -> None:
    assert compose_environment().keys() <= NAMES | OTHERS
    assert "DATABASE_URL" in compose_environment()


def test_compose_takes_every_password_from_outside() -> None:
    secrets = [value for name, value in compose_environment().items() if "PASSWORD" in name or name.endswith("_URL")]
    assert secrets
    assert all("${" in value for value in secrets)


def test_nothing_goes_to_a_server_of_our_own_in_plain_text() -> None:
    url = compose_environment()["DATABASE_URL"].replace("${POSTGRES_PASSWORD}", "letters")
    assert url == "${DATABASE_URL}" or parse_url(url).is_local


def test_a_server_of_our_own_has_room_for_every_connection() -> None:
    allowed = re.search(r"max_connections=(\d+)", read("compose.yaml"))
    pool = Settings.model_fields["pool_size"].default + Settings.model_fields["max_overflow"].default
    needed = int(compose_environment()["WORKERS"].strip('"')) * 2 * pool
    assert allowed is None or int(allowed[1]) > needed


def test_compose_starts_the_application_after_the_migration() -> None:
    application = read("compose.yaml").rpartition("\n  app:\n")[2]
    assert re.search(r"migrate:\n +condition: service_completed_successfully", application)


def test_the_image_sets_what_somebody_reads() -> None:
    environment = image_environment()
    assert environment.keys() <= NAMES | OTHERS
    assert environment["TZ"] == "UTC"


def test_the_image_runs_without_rights() -> None:
    assert re.search(r"^USER (?!0$|root$)\S+$", read("Dockerfile"), re.MULTILINE)


def test_the_image_holds_neither_secrets_nor_development_tools() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", read("Dockerfile"), re.MULTILINE)
    let_in = {name for names in copied for name in names.split()}
    assert {"app", "pyproject.toml", "uv.lock"} <= let_in
    assert let_in.isdisjoint({".", "*", ".env", ".git", "dev", "tests"})
