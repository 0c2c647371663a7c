"""A real Apache Kafka of one node, for tests and for `make kafka`: started, stopped, killed and restarted at will.

Maven brings the jars once, into the user's cache; `java` runs them with a small heap, on 127.0.0.1 only. Not a way to run
Kafka in production: one copy of everything, nothing replicated. Called by `fixtures` and `python -m tests.kafka`, and by
tests that want a broker of their own to kill.

    with Broker() as broker:
        Producer(broker.client).produce("events", b"...")
        broker.kill()
        broker.start()     # same port, same data
"""

from __future__ import annotations

import base64
import functools
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

HOST = "127.0.0.1"
JAVA_VERSION_MIN = 17  # what Kafka 4 brokers ask for
START_S_MAX = 120  # 4 s on two idle cores, 19 s seen on the same two at a load of 5
STOP_S_MAX = 30  # 0.4 s measured; a broker that hangs is killed
DOWNLOAD_S_MAX = 600  # 43 MB
LOG_TAIL_LINES = 20
# Below every system's range for outgoing connections (Linux: from 32768). A port in that range can be taken by some
# client between kill() and start(), or by a client of ours that, trying to reconnect, connects to itself.
FREE_PORTS = range(20000, 32000)

POM = Path(__file__).with_name("pom.xml")
KAFKA_VERSION = re.findall("<kafka.version>(.+?)</kafka.version>", POM.read_text("utf-8"))[0]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sojourn"
LIB = CACHE / f"kafka-{KAFKA_VERSION}"

KEYSTORE_PASSWORD = "only-for-tests"  # noqa: S105 - Java wants one; the key is made here and trusted by our clients only

INSTALL_JAVA = f"install Java {JAVA_VERSION_MIN} or newer (apt-get install default-jre-headless, brew install openjdk)"
INSTALL_MAVEN = "install Maven (apt-get install maven, brew install maven)"

SINGLE_NODE = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "BROKER",
    "auto.create.topics.enable": "false",  # a misspelt topic must be an error
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",  # 50 by default: fifty folders on the first commit
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    # After kill(), the controller takes no new broker of the same id until the session of the old one has run out: a
    # restart takes 14 s with the default of 9 s, 6 s with this.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "log.cleaner.dedupe.buffer.size": "16777216",  # 128 MB by default, a quarter of the heap
    # Tests replay history and look ahead: by default a record older than a week is deleted, and one that is more than
    # an hour ahead of the broker's clock is refused.
    "log.retention.ms": "-1",
    "log.message.timestamp.after.max.ms": "9223372036854775807",
}


class BrokerError(RuntimeError):
    """There is no broker to be had, or it does not answer; the message says why and what to do."""


class Broker:
    """One Kafka node in a child process, reachable at `bootstrap`; librdkafka connects to it with `client`.

    Args:
        port: Where clients connect; 0 finds a free one, and keeps it over restarts.
        data: Folder for topics, settings and server.log, kept afterwards; None makes one that goes with `close`.
        sasl: User names and passwords (letters and digits): clients must log in with SASL/PLAIN.
        tls: Clients must use TLS; `client` then trusts the broker's self-signed certificate.
        settings: More server settings; they win over ours.
        quick: Start with 4 s of processor time instead of 6 (measured), and be slower under load: what most tests want.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        data: str | Path | None = None,
        sasl: Mapping[str, str] | None = None,
        tls: bool = False,
        settings: Mapping[str, str] | None = None,
        quick: bool = True,
    ) -> None:
        self._given_port = port
        self._ports: tuple[int, int, int] | None = None  # clients, the broker to itself, controller
        self._temporary = tempfile.TemporaryDirectory(prefix="sojourn-kafka-") if data is None else None
        self.data = Path(self._temporary.name if self._temporary else data or "").absolute()
        self._sasl = dict(sasl or {})
        self._tls = tls
        self._settings = dict(settings or {})
        self._compiler = ["-XX:TieredStopAtLevel=1"] if quick else []
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        if self._ports is None:
            raise BrokerError("The broker has no port before its first start(); call start() or use it in a `with`.")
        return self._ports[0]

    @property
    def bootstrap(self) -> str:
        """What `bootstrap.servers` wants."""
        return f"{HOST}:{self.port}"

    @property
    def client(self) -> dict[str, Any]:
        """The librdkafka options that connect to it, as the first of the users."""
        options: dict[str, Any] = {"bootstrap.servers": self.bootstrap, "security.protocol": self._protocol}
        for user, password in list(self._sasl.items())[:1]:
            options |= {"sasl.mechanism": "PLAIN", "sasl.username": user, "sasl.password": password}
        if self._tls:
            options["ssl.ca.location"] = str(self.data / "certificate.pem")
        return options

    @property
    def pid(self) -> int | None:
        """The Java process, while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> None:
        """Start it, on the data and the port it had before, and return when it answers."""
        if self.pid is not None:
            return
        self._reap()
        obstacle = missing()
        if obstacle:
            raise BrokerError(f"Kafka {KAFKA_VERSION} cannot be started: {obstacle}.")
        lib = jars()
        self._ports = self._ports or (self._given_port or free_port(), free_port(), free_port())
        if not _is_free(self.port):
            raise BrokerError(f"{self.bootstrap} is in use; stop what listens there, or choose another port.")
        self.data.mkdir(parents=True, exist_ok=True)
        if self._tls:
            _make_certificate(self.data)
        properties = self.data / "server.properties"
        properties.write_text("".join(f"{key}={value}\n" for key, value in self._properties().items()), "utf-8")
        java = [
            *(find_java(), "-cp", f"{lib}/*", "-Xmx512m", "-XX:+UseSerialGC", "-XX:-UsePerfData"),
            *self._compiler,
            *("-Djava.net.preferIPv4Stack=true", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"),
        ]
        if not (self.data / "log" / "meta.properties").exists():
            cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[:22]
            # With "=": one id in 64 begins with a dash, and would pass for an option.
            tool = [*java, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", str(properties)]
            _run(tool, "Kafka's storage could not be formatted", START_S_MAX)
        with (self.data / "server.log").open("ab") as log:
            # A session of its own: the Ctrl-C that ends pytest must not reach the broker before the tests' own clean-up.
            self._process = subprocess.Popen(
                [*java, "kafka.Kafka", str(properties)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        # Waits on a pipe that only we hold open: it closes when we die, however that is, and takes the broker with us.
        # Linux's PR_SET_PDEATHSIG would need a preexec_fn (a warning with threads, from Python 3.12), also fires when
        # merely the thread that started the broker ends, and is not there on macOS.
        self._watchdog = subprocess.Popen(
            ["/bin/sh", "-c", 'read -r _; kill -9 "$0"', str(self._process.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            self._wait_until_it_answers(self._process)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """End it in good order (SIGTERM)."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash does (SIGKILL)."""
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """Stop it, and remove its data if it was temporary."""
        self.stop()
        if self._temporary is not None:
            self._temporary.cleanup()

    def wait(self) -> int:
        """Block until the broker ends by itself; its exit status."""
        return self._process.wait() if self._process is not None else 0

    def log_tail(self) -> str:
        """The last lines of the server's log, indented: what an error message needs."""
        log = self.data / "server.log"
        return _tail(log.read_text("utf-8", "replace") if log.exists() else "")

    def __enter__(self) -> Broker:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _protocol(self) -> str:
        return ("SASL_" if self._sasl else "") + ("SSL" if self._tls else "PLAINTEXT")

    def _properties(self) -> dict[str, str]:
        """Three listeners, so that what clients need (SASL, TLS) is of no concern to the broker's talk with itself."""
        assert self._ports is not None
        client, broker, controller = (
            f"{name}://{HOST}:{port}"
            for name, port in zip(("CLIENT", "BROKER", "CONTROLLER"), self._ports, strict=True)
        )
        properties = SINGLE_NODE | {
            "listeners": f"{client},{broker},{controller}",
            "advertised.listeners": f"{client},{broker}",
            "listener.security.protocol.map": f"CLIENT:{self._protocol},BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.quorum.voters": f"1@{HOST}:{self._ports[2]}",
            "log.dirs": str(self.data / "log"),
        }
        if self._sasl:
            users = " ".join(f'user_{user}="{password}"' for user, password in self._sasl.items())
            module = "org.apache.kafka.common.security.plain.PlainLoginModule"
            properties["listener.name.client.sasl.enabled.mechanisms"] = "PLAIN"
            properties["listener.name.client.plain.sasl.jaas.config"] = f"{module} required {users};"
        if self._tls:
            properties["listener.name.client.ssl.keystore.type"] = "PKCS12"
            properties["listener.name.client.ssl.keystore.location"] = str(self.data / "keystore.p12")
            properties["listener.name.client.ssl.keystore.password"] = KEYSTORE_PASSWORD
        return properties | self._settings

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_S_MAX
        admin: AdminClient | None = None
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise BrokerError(
                    f"Kafka ended while it started (status {process.returncode}); its log says:\n{self.log_tail()}"
                )
            if admin is None:
                # A bare connection first: librdkafka would print a line for each refused one.
                with socket.socket() as probe:
                    if probe.connect_ex((HOST, self.port)) == 0:
                        admin = AdminClient({**self.client, "log_level": 0})
                        continue
                time.sleep(0.05)
                continue
            try:
                if admin.list_topics(timeout=1).brokers:
                    return
            except KafkaException:
                continue  # not yet: list_topics has waited its second
        raise BrokerError(
            f"Kafka at {self.bootstrap} did not answer in {START_S_MAX} s; its log says:\n{self.log_tail()}"
        )

    def _end(self, with_signal: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(with_signal)
            try:
                self._process.wait(STOP_S_MAX)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._reap()

    def _reap(self) -> None:
        """Put the watchdog away after the broker has ended, never before: between the two we may be killed."""
        if self._watchdog is not None:
            self._watchdog.kill()
            self._watchdog.communicate()
        self._process = self._watchdog = None


def missing() -> str:
    """What stands in the way of a broker and how to remove it, in one line; empty if nothing does."""
    java = _java()
    if not java:
        return f"there is no Java {JAVA_VERSION_MIN} or newer; {INSTALL_JAVA}"
    if not LIB.is_dir() and shutil.which("mvn") is None:
        return f"there is no Maven to fetch its jars; {INSTALL_MAVEN}"
    return ""


def find_java() -> str:
    """The `java` to run: that of JAVA_HOME if set, else the first on the PATH, if it is new enough."""
    java = _java()
    if not java:
        raise BrokerError(f"There is no Java {JAVA_VERSION_MIN} or newer: {INSTALL_JAVA}.")
    return java


def jars() -> Path:
    """The folder with Kafka's jars; fetched on the first call on a machine."""
    if LIB.is_dir():
        return LIB
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix=".download-") as new:
        shutil.copy(POM, new)  # Maven may write beside its pom
        copy = ["mvn", "-B", "-q", "-f", f"{new}/pom.xml", "dependency:copy-dependencies", "-DincludeScope=runtime"]
        remedy = "look at Maven's access to its repository, or set SOJOURN_TEST_KAFKA to a running Kafka or to `mock`"
        failure = f"Maven could not fetch Kafka {KAFKA_VERSION}; {remedy}"
        _run([*copy, f"-DoutputDirectory={new}/lib"], failure, DOWNLOAD_S_MAX)
        try:
            os.rename(f"{new}/lib", LIB)  # all or nothing
        except OSError:
            if not LIB.is_dir():  # else another process was first, and its copy is as good
                raise
    return LIB


def _make_certificate(folder: Path) -> None:
    """A key with a self-signed certificate for 127.0.0.1: keystore.p12 for the broker, certificate.pem for clients."""
    keystore, certificate = folder / "keystore.p12", folder / "certificate.pem"
    if certificate.exists():
        return
    keystore.unlink(missing_ok=True)
    tool = str(Path(find_java()).with_name("keytool"))
    store = ["-keystore", str(keystore), "-storetype", "PKCS12", "-storepass", KEYSTORE_PASSWORD, "-alias", "broker"]
    who = ["-dname", "CN=localhost", "-ext", f"san=ip:{HOST},dns:localhost", "-validity", "3650"]
    failure = "keytool could not make a certificate"
    _run([tool, "-genkeypair", "-keyalg", "EC", "-groupname", "secp256r1", *who, *store], failure, START_S_MAX)
    _run([tool, "-exportcert", "-rfc", "-file", str(certificate), *store], failure, START_S_MAX)


@functools.cache
def _java() -> str:
    home = os.environ.get("JAVA_HOME")
    for java in (str(Path(home, "bin", "java")) if home else None, shutil.which("java")):
        try:  # macOS has a /usr/bin/java that only says there is none, so the version has to be asked for
            said = subprocess.run([java or "java", "-version"], capture_output=True, text=True, check=True).stderr
        except (OSError, subprocess.CalledProcessError):
            continue
        version = re.search(r'version "(\d+)', said)
        if java and version and int(version[1]) >= JAVA_VERSION_MIN:
            return java
    return ""


def _run(command: list[str], failure: str, time_s_max: float) -> None:
    try:
        done = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=time_s_max,
        )
    except subprocess.TimeoutExpired as slow:
        raise BrokerError(f"{failure}: no end after {time_s_max:.0f} s of `{' '.join(command)}`") from slow
    if done.returncode != 0:
        raise BrokerError(f"{failure}. It said:\n{_tail(done.stdout)}")


def _tail(text: str) -> str:
    return "\n".join(f"    {line[:400]}" for line in text.splitlines()[-LOG_TAIL_LINES:]) or "    (nothing)"


def free_port() -> int:
    return next(port for port in random.sample(FREE_PORTS, len(FREE_PORTS)) if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Java does: a port just left may be taken again
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
