"""The image and the compose file, as far as they can be checked where no container engine runs.

Everything that one of the files says about another one is looked up: paths, options of the command line, versions. And
the compose file's Kafka settings are given to a real Kafka.
"""

from __future__ import annotations

import fnmatch
import json
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from confluent_kafka.admin import AdminClient, ConfigResource

from tests.kafka.broker import HOST, KAFKA_VERSION, SINGLE_NODE, Broker, free_port, missing

ROOT = Path(__file__).parents[1]
DOCKER = ROOT / "docker"
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PROJECT = (ROOT / "pyproject.toml").read_text("utf-8")  # read with patterns: tomllib is not in Python 3.10


def stages() -> list[list[tuple[str, str]]]:
    """The Dockerfile's instructions with their arguments, one list for each FROM."""
    text = re.sub(r"^\s*#.*\n", "", (DOCKER / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    found: list[list[tuple[str, str]]] = []
    for instruction, _, arguments in (line.partition(" ") for line in lines if line):
        if instruction == "FROM":
            found.append([])
        found[-1].append((instruction, arguments.strip()))
    return found


def argument(instruction: str) -> str:
    """That of the one such instruction in the final stage."""
    (found,) = (arguments for name, arguments in stages()[-1] if name == instruction)
    return found


def copied() -> list[str]:
    """What the build takes from the repository."""
    copies = [arguments.split() for stage in stages() for name, arguments in stage if name == "COPY"]
    return [source for *sources, _ in copies if not sources[0].startswith("--from=") for source in sources]


def health_command() -> list[str]:
    command: list[str] = json.loads(argument("HEALTHCHECK").partition(" CMD ")[2])
    return command


def commands() -> list[list[str]]:
    """Every command line of ours in the two files, without the program."""
    ours = [service for service in SERVICES.values() if "build" in service]
    from_compose = [service["command"] for service in ours if "command" in service]
    checks = [test[2:] for test in (s.get("healthcheck", {}).get("test", []) for s in ours) if test]
    return [json.loads(argument("CMD")), health_command()[1:], *from_compose, *checks]


def test_the_python_is_one_that_the_project_supports() -> None:
    images = {stage[0][1].split()[0] for stage in stages()}
    (minor,) = (int(re.findall(r"^python:3\.(\d+)-slim$", image)[0]) for image in images)
    lowest, beyond = re.findall(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', PROJECT)[0]
    assert int(lowest) <= minor < int(beyond)


def test_all_that_is_copied_is_there_and_all_that_is_needed_is_copied() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")]
    packages = json.loads(re.findall(r"^packages = (\[.*\])$", PROJECT, flags=re.MULTILINE)[0])
    assert set(copied()) == {"pyproject.toml", "README.md", "LICENSE", *packages}
    for source in copied():
        assert (ROOT / source).exists(), f"docker/Dockerfile copies {source}, which is not in the repository"
        assert any(fnmatch.fnmatch(source, pattern) for pattern in kept), f".dockerignore keeps {source} from the build"


def test_the_job_runs_as_a_user_of_its_own_and_hears_sigterm() -> None:
    """Not as root, with a fixed number, and with no shell in between that would keep the signal to itself."""
    final = [name for name, _ in stages()[-1]]
    user, group = argument("USER").split(":")
    assert user == group == re.findall(r"--uid (\d+)", argument("RUN"))[0] != "0"
    assert final.index("RUN") < final.index("USER") < final.index("VOLUME") < final.index("ENTRYPOINT")
    assert argument("STOPSIGNAL") == "SIGTERM"
    (program,) = json.loads(argument("ENTRYPOINT"))
    assert f"\n{program} = " in PROJECT.partition("[project.scripts]")[2]
    assert health_command()[:2] == [program, "health"]


def test_what_the_commands_read_and_write_is_mounted() -> None:
    """The same folders in the image's own command, in its health check and in compose; the state in a volume."""
    for service in (SERVICES["sojourn"], SERVICES["ingest"]):
        mounted = [volume.split(":")[1] for volume in service["volumes"]]
        assert argument("VOLUME") in mounted
        for command in commands():
            for option, folder in pairwise(command):
                assert option not in ("--data", "--journeys") or folder in mounted


def test_what_the_producer_writes_is_what_ingest_reads() -> None:
    """The topic that is made beforehand, in the Kafka that all the others talk to; and one ingest alone writes the log."""
    producer, ingest, topics = (SERVICES[name]["command"] for name in ("producer", "ingest", "topics"))
    assert producer[producer.index("--topic") + 1] == ingest[1] == topics[topics.index("--topic") + 1]
    servers = COMPOSE["x-sojourn"]["environment"]["SOJOURN_KAFKA__BOOTSTRAP_SERVERS"]
    assert topics[topics.index("--bootstrap-server") + 1] == servers
    assert SERVICES["topics"]["image"] == SERVICES["kafka"]["image"]
    assert [name for name, service in SERVICES.items() if service.get("command", [""])[0] == "ingest"] == ["ingest"]


def test_every_command_is_one_that_the_command_line_takes() -> None:
    for name, *rest in commands():
        program = [sys.executable, "-c", "from flows.cli import main; main()", name, "--help"]
        environment = {"COLUMNS": "250", "TERM": "dumb", "PATH": ""}
        done = subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        known = set(re.findall(r"--[a-z][a-z-]*", done.stdout))
        assert {word for word in rest if word.startswith("--")} <= known, f"sojourn {name}"


def test_every_reference_in_the_compose_file_resolves() -> None:
    """Services waited for are there and have a health check, volumes are declared, mounted folders exist."""
    for name, service in SERVICES.items():
        for other, wanted in service.get("depends_on", {}).items():
            if wanted["condition"] == "service_completed_successfully":  # it does one thing and ends
                assert "restart" not in SERVICES[other]
                continue
            assert wanted["condition"] == "service_healthy"
            of_image = "build" in SERVICES[other]
            assert "test" in SERVICES[other].get("healthcheck", {}) or of_image, f"{name} waits for {other} in vain"
        for volume in service.get("volumes", []):
            source, target, *mode = volume.split(":")
            assert target.startswith("/")
            if source.startswith("."):
                assert (DOCKER / source).resolve().is_dir(), f"{name} mounts {source}, which is not in the repository"
                assert mode == ["ro"]
            else:
                assert source in COMPOSE["volumes"]
        if "build" in service:
            context = DOCKER / service["build"]["context"]
            assert context.resolve() == ROOT
            assert (context / service["build"]["dockerfile"]).is_file()
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), f"{name} opens {port} to the network"


def test_the_job_is_given_time_to_finish_its_epoch() -> None:
    assert SERVICES["sojourn"]["stop_grace_period"] == "60s"
    assert "init" not in SERVICES["sojourn"]


@pytest.mark.kafka
@pytest.mark.skipif(bool(missing()), reason=f"needs a real Kafka: {missing()}")
def test_a_real_kafka_takes_the_compose_files_settings(tmp_path: Path) -> None:
    """Same version as the tests' Kafka, nothing left out that one node needs, and every listener where it is said."""
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{KAFKA_VERSION}"
    environment: dict[str, str] = SERVICES["kafka"]["environment"]
    ports = {inside: str(free_port()) for inside in ("9092", "19092", "9093")}

    def here(value: str) -> str:
        """The same with this machine's address in place of the containers'."""
        return re.sub(r"(//|@)[a-z]*:(\d+)", lambda match: f"{match[1]}{HOST}:{ports[match[2]]}", value)

    settings = {
        name.removeprefix("KAFKA_").lower().replace("_", "."): here(value)
        for name, value in environment.items()
        if name != "KAFKA_HEAP_OPTS"
    }
    one_node = [name for name in SINGLE_NODE if name.endswith(("roles", "id", "names", "name", "factor", "isr"))]
    assert set(one_node) <= set(settings)
    bootstrap = SERVICES["sojourn"]["environment"]["SOJOURN_KAFKA__BOOTSTRAP_SERVERS"]
    assert f"DOCKER://{bootstrap}" in environment["KAFKA_ADVERTISED_LISTENERS"]

    settings["log.dirs"] = str(tmp_path / "log")
    with Broker(port=int(ports["9092"]), data=tmp_path, settings=settings):
        for port in (ports["9092"], ports["19092"]):
            client = AdminClient({"bootstrap.servers": f"{HOST}:{port}"})
            assert str(client.list_topics(timeout=30).brokers[1]) == f"{HOST}:{port}/1"
        broker = ConfigResource(ConfigResource.Type.BROKER, "1")
        taken = client.describe_configs([broker])[broker].result(30)
        assert {name: taken[name].value for name in settings} == settings
