"""Where the brokers are and how one gets in: what may be written, what is said to who wrote something else, and that a
real Apache Kafka lets in who may come in, encrypted, and nobody else."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
import trustme
from cryptography.hazmat.primitives import serialization

from relevo.events.topics import TOPICS
from relevo.service import Settings
from relevo.stream.kafka import KafkaAway, Outgoing, Producer, Reader, create_topics
from relevo.stream.kafka.brokers import Brokers
from relevo.testing.services import PATIENCE
from relevo_local import apache
from relevo_local.ports import Ports

PASSWORD = "p@ss:w/rd?#%"
WRITTEN = "p%40ss%3Aw%2Frd%3F%23%25"
SCRAM = "?mechanism=SCRAM-SHA-512"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("localhost:9092", Brokers("localhost:9092")),
        (" a.example:1,[::1]:2\n", Brokers("a.example:1,[::1]:2")),
        ("PLAINTEXT://kafka:9092/", Brokers("kafka:9092")),
        ("ssl://kafka:9093", Brokers("kafka:9093", "SSL")),
        ("SSL://kafka:9093?certificate=/a&key=/b", Brokers("kafka:9093", "SSL", certificate="/a", key="/b")),
        (
            f"SASL_SSL://us%40er:{WRITTEN}@a:1,b:2/{SCRAM}&ca=/run/ca.pem",
            Brokers("a:1,b:2", "SASL_SSL", "us@er", PASSWORD, "SCRAM-SHA-512", "/run/ca.pem"),
        ),
        (
            "SASL_PLAINTEXT://user:pass@a:1?mechanism=PLAIN",
            Brokers("a:1", "SASL_PLAINTEXT", "user", "pass", "PLAIN"),
        ),
    ],
)
def test_what_may_be_written(text: str, meant: Brokers) -> None:
    assert Brokers.of(text) == meant


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "host:port"),
        ("kafka", "host:port"),
        ("a:1,", "host:port"),
        ("a:1 b:2", "host:port"),
        ("SASL_SSL://user:secret@b@a:1", "host:port"),
        ("kafka://a:1", "SASL_SSL"),
        (f"SASL_SSL://a:1{SCRAM}", "user:password@"),
        (f"SASL_SSL://user@a:1{SCRAM}", "user:password@"),
        ("SASL_SSL://user:secret@a:1", "?mechanism="),
        ("SASL_SSL://user:secret@a:1?mechanism=GSSAPI", "SCRAM-SHA-256"),
        ("SSL://user:secret@a:1", "SASL_SSL://"),
        ("a:1?ca=/ca.pem", "SSL://"),
        (f"SASL_PLAINTEXT://user:secret@a:1{SCRAM}&ca=/ca.pem", "SASL_SSL://"),
        ("SSL://a:1?certificate=/a.pem", "give both"),
        ("SSL://a:1?cafile=/ca.pem", "mechanism, ca, certificate and key"),
    ],
)
def test_a_mistake_is_told_and_the_password_is_not(text: str, told: str) -> None:
    with pytest.raises(ValueError) as refused:
        Brokers.of(text)
    assert told in str(refused.value)
    assert "secret" not in str(refused.value)


def test_files_are_looked_at_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("no certificate")
    for options in ("ca=/nowhere.pem", f"ca={rubbish}", f"certificate={rubbish}&key={rubbish}"):
        monkeypatch.setenv("RELEVO_KAFKA", f"SASL_SSL://user:secret@a:1{SCRAM}&{options}")
        monkeypatch.setenv("RELEVO_POOL", "1")
        with pytest.raises(SystemExit) as refused:
            Settings.read()
        kafka, pool = str(refused.value).splitlines()
        assert kafka.startswith("RELEVO_KAFKA: ")
        assert options.split("&")[0] in kafka
        assert "secret" not in kafka
        assert pool.startswith("RELEVO_POOL: ")


def test_a_password_is_not_in_what_is_printed_of_it() -> None:
    assert "secret" not in repr(Brokers.of(f"SASL_SSL://user:secret@a:1{SCRAM}"))


class Guarded:
    """An Apache Kafka that lets in by password, by certificate, or both; and the files of who may come in."""

    def __init__(self, folder: Path) -> None:
        self.ports = Ports()
        self.ssl, self.sasl_ssl, self.sasl_plaintext = (self.ports.take() for _ in range(3))
        self.folder = folder
        authority = trustme.CA()
        self.ca, self.certificate, self.key = folder / "ca.pem", folder / "client.pem", folder / "client.key"
        authority.cert_pem.write_to_path(str(self.ca))
        trustme.CA().cert_pem.write_to_path(str(folder / "another.pem"))
        client = authority.issue_cert("client.example")
        client.private_key_pem.write_to_path(str(self.key))
        self.certificate.write_bytes(b"".join(blob.bytes() for blob in client.cert_chain_pems))
        ours = authority.issue_cert("127.0.0.1")
        key = serialization.load_pem_private_key(ours.private_key_pem.bytes(), None)
        pkcs8 = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        store = folder / "broker.pem"
        store.write_bytes(key.private_bytes(*pkcs8) + b"".join(blob.bytes() for blob in ours.cert_chain_pems))
        self.doors = apache.Doors(
            {"SSL": self.ssl, "SASL_SSL": self.sasl_ssl, "SASL_PLAINTEXT": self.sasl_plaintext},
            f"""\
ssl.keystore.type=PEM
ssl.keystore.location={store}
ssl.truststore.type=PEM
ssl.truststore.location={self.ca}
listener.name.ssl.ssl.client.auth=required
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
{self._login("sasl_ssl")}
{self._login("sasl_plaintext")}
""",
            {"relevo": PASSWORD},
        )

    @staticmethod
    def _login(listener: str) -> str:
        module = "org.apache.kafka.common.security"
        return (
            f"listener.name.{listener}.plain.sasl.jaas.config={module}.plain.PlainLoginModule required"
            f' user_relevo="{PASSWORD}";\n'
            f"listener.name.{listener}.scram-sha-512.sasl.jaas.config={module}.scram.ScramLoginModule required;"
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guarded]:
    if request.config.getoption("--broker") != "apache":
        pytest.skip("for --broker apache: the embedded broker lets everybody in")
    made = Guarded(tmp_path_factory.mktemp("guarded"))
    try:
        async with apache.running(made.folder, doors=made.doors):
            yield made
    finally:
        made.ports.release()


@pytest.mark.broker
@pytest.mark.asyncio(loop_scope="module")
async def test_who_may_come_in_comes_in_by_every_door(guarded: Guarded) -> None:
    topic = TOPICS[0].name
    at = f"relevo:{WRITTEN}@127.0.0.1"
    for text in (
        f"SASL_SSL://{at}:{guarded.sasl_ssl}{SCRAM}&ca={guarded.ca}",
        f"SASL_SSL://{at}:{guarded.sasl_ssl}?mechanism=PLAIN&ca={guarded.ca}",
        f"SASL_PLAINTEXT://{at}:{guarded.sasl_plaintext}{SCRAM}",
        f"SSL://127.0.0.1:{guarded.ssl}?ca={guarded.ca}&certificate={guarded.certificate}&key={guarded.key}",
    ):
        await create_topics(text, TOPICS, "local")
        value = uuid4().bytes
        producer, reader = Producer(text), Reader(text, f"in-{uuid4()}", [topic], "local", lambda: None, _nothing)
        try:
            await producer.publish([Outgoing(topic, "a key", (), value)], PATIENCE)
            await reader.start()
            found: set[bytes | None] = set()
            async with asyncio.timeout(PATIENCE):
                while value not in found:
                    found |= {record.value for records in (await reader.poll(0.5, 100)).values() for record in records}
            ends = await reader.end_offsets(reader.assignment())
            assert sum(ends.values()) == len(found)
        finally:
            await reader.stop()
            await producer.close()


@pytest.mark.broker
@pytest.mark.asyncio(loop_scope="module")
async def test_nobody_else_does_and_is_told_where_to_look(guarded: Guarded) -> None:
    for text in (
        f"SASL_SSL://relevo:wrong@127.0.0.1:{guarded.sasl_ssl}{SCRAM}&ca={guarded.ca}",
        f"SASL_SSL://nobody:{WRITTEN}@127.0.0.1:{guarded.sasl_ssl}?mechanism=PLAIN&ca={guarded.ca}",
        f"SASL_SSL://relevo:{WRITTEN}@127.0.0.1:{guarded.sasl_ssl}{SCRAM}&ca={guarded.folder / 'another.pem'}",
        f"SSL://127.0.0.1:{guarded.ssl}?ca={guarded.ca}",  # shows no certificate of its own
    ):
        with pytest.raises(KafkaAway, match="as RELEVO_KAFKA says") as refused:
            await create_topics(text, TOPICS, "local")
        assert WRITTEN not in str(refused.value)


async def _nothing() -> None:
    return None
