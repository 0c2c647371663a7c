"""Settings: where each comes from, which source wins, what is said about a wrong one, and that no secret is shown."""

import os
from pathlib import Path

import pytest

from flows.settings import Settings, read_settings
from state.errors import UsageError

SECRET = "hunter2hunter2"  # noqa: S105 - nobody's


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings but those of the test, in a directory of its own."""
    for name in list(os.environ):
        if name.upper().startswith("SOJOURN_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def toml(text: str) -> None:
    Path("sojourn.toml").write_text(text, "utf-8")


def refused(**given: object) -> str:
    with pytest.raises(UsageError) as found:
        read_settings(**given)
    assert found.value.exit_status == 2
    return str(found.value)


def test_the_defaults_need_nothing() -> None:
    settings = read_settings()
    assert (settings.journeys, settings.data, settings.events_topic) == (Path("journeys"), Path("data"), "events")
    assert (settings.partitions, settings.topics_prefix, settings.job) == (64, "", "sojourn")
    assert settings.kafka == {"bootstrap.servers": "localhost:9092"}
    assert settings.brokers == "localhost:9092"
    assert not settings.allow_create_time


def test_command_line_over_environment_over_file_over_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    toml('job = "file"\nevents_topic = "file"\ntopics_prefix = "file"\ndata = "file"\n')
    monkeypatch.setenv("SOJOURN_JOB", "environment")
    monkeypatch.setenv("SOJOURN_EVENTS_TOPIC", "environment")
    monkeypatch.setenv("SOJOURN_ALLOW_CREATE_TIME", "true")
    settings = read_settings(job="line", data=None)
    assert settings.job == "line"
    assert settings.events_topic == "environment"
    assert settings.topics_prefix == "file"
    assert settings.data == Path("file")  # None on the command line is not given
    assert settings.partitions == 64
    assert settings.allow_create_time


def test_options_of_librdkafka_by_environment_and_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each option by itself: one from the environment does not hide the others of the file."""
    toml(
        '[kafka]\n"security.protocol" = "PLAINTEXT"\n"socket.timeout.ms" = 5000\n"enable.ssl.certificate.verification" = true\n'
    )
    monkeypatch.setenv("SOJOURN_KAFKA__SECURITY_PROTOCOL", "SASL_SSL")
    monkeypatch.setenv("SOJOURN_KAFKA__BOOTSTRAP_SERVERS", "a:1,b:2")
    settings = read_settings()
    assert settings.kafka == {
        "security.protocol": "SASL_SSL",
        "socket.timeout.ms": "5000",
        "enable.ssl.certificate.verification": "true",
        "bootstrap.servers": "a:1,b:2",
    }
    assert settings.brokers == "a:1,b:2"


def test_a_bare_dotted_option_in_the_file_is_that_option() -> None:
    """`sasl.password = "..."` below `[kafka]` is a table in TOML; who writes it means librdkafka's option."""
    toml(f'[kafka]\nsecurity.protocol = "SASL_SSL"\nsasl.mechanism = "PLAIN"\nsasl.password = "{SECRET}"\n')
    settings = read_settings()
    assert SECRET not in str(settings.kafka_shown())
    assert settings.kafka["security.protocol"] == "SASL_SSL"
    assert settings.kafka["sasl.password"] == SECRET
    assert settings.brokers == "localhost:9092"


def test_an_unknown_setting_of_the_file_is_named() -> None:
    toml('event_topic = "x"\npartitons = 3\n')
    said = refused()
    assert "'event_topic'" in said
    assert "'partitons'" in said
    assert "events_topic" in said.replace("'event_topic'", "")  # what there is


@pytest.mark.parametrize(
    ("name", "value"),
    [("partitions", "0"), ("partitions", "many"), ("epoch_ms", "1"), ("job", "a b"), ("delivery", "once"),
     ("allow_create_time", "perhaps")],
)  # fmt: skip
def test_a_wrong_value_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"SOJOURN_{name.upper()}", value)
    said = refused()
    assert f"SOJOURN_{name.upper()}" in said
    assert "\n" not in said


def test_a_wrong_setting_leaks_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is wrong, and wherever the secret stands."""
    monkeypatch.setenv("SOJOURN_KAFKA__SASL_PASSWORD", SECRET)
    monkeypatch.setenv("SOJOURN_PARTITIONS", "none")
    assert SECRET not in refused()
    monkeypatch.delenv("SOJOURN_PARTITIONS")
    monkeypatch.delenv("SOJOURN_KAFKA__SASL_PASSWORD")

    monkeypatch.setenv("SOJOURN_KAFKA", f'{{"sasl.password": "{SECRET}"')  # no JSON
    said = refused()
    assert SECRET not in said
    assert "kafka" in said
    monkeypatch.setenv("SOJOURN_KAFKA", f'["{SECRET}"]')  # no object
    assert SECRET not in refused()
    monkeypatch.delenv("SOJOURN_KAFKA")

    toml(f'kafka = "{SECRET}"\n')
    assert SECRET not in refused()
    toml(f'[kafka]\n"sasl.password" = {SECRET}\n')  # quotes forgotten: no TOML
    said = refused()
    assert SECRET not in said
    assert "sojourn.toml" in said


def test_a_file_that_is_no_toml_is_named() -> None:
    toml("job = \n")
    assert "sojourn.toml" in refused()
    Path("sojourn.toml").write_bytes(b"\xff\xfe")
    assert "sojourn.toml" in refused()


def test_what_is_shown_has_no_secrets() -> None:
    secrets = {
        "sasl.password", "ssl.key.password", "ssl.keystore.password", "ssl.key.pem", "sasl.oauthbearer.client.secret",
        "sasl.oauthbearer.config", "sasl.jaas.config", "ssl_key_pem",
    }  # fmt: skip
    plain = {
        "bootstrap.servers": "b:1",
        "sasl.username": "job",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
    }
    shown = read_settings(kafka=plain | dict.fromkeys(secrets, SECRET)).kafka_shown()
    assert SECRET not in str(shown)
    assert {name.replace("_", ".") for name in secrets} <= shown.keys()
    assert {name: shown[name] for name in plain} == plain


def test_a_secret_is_not_in_the_text_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever logs the object as a whole must not log the password."""
    monkeypatch.setenv("SOJOURN_KAFKA__SASL_PASSWORD", SECRET)
    settings = read_settings()
    assert SECRET not in repr(settings)
    assert SECRET not in str(settings)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        read_settings().job = "other"  # type: ignore[misc]


def test_every_setting_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
