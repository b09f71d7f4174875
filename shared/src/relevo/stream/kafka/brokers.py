"""Where the brokers are and how one gets in, in one text (`RELEVO_KAFKA`), as Kafka itself writes its listeners:

    host:port[,host:port…]
    SASL_SSL://user:password@host:port[,host:port…]?mechanism=SCRAM-SHA-512&ca=/run/relevo/kafka-ca.pem
    SSL://host:port?ca=…&certificate=…&key=…

Who trusts the system's authorities leaves `ca` out; `certificate` and `key` are the client's own, where brokers ask for
one. What a user or password holds of `@ : / ? #` and `%` is percent-encoded, as in any URL.
"""

import re
import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")

_FORM = re.compile(r"(?:(?P<protocol>\w+)://)?(?:(?P<login>[^@]*)@)?(?P<servers>[^@/?]*)/?(?:\?(?P<options>.*))?")
_SERVER = re.compile(r"(\[[0-9a-fA-F:]+\]|[\w.-]+):\d{1,5}")


@dataclass(frozen=True)
class Brokers:
    """`servers` are host:port, joined by commas, and the only part that may be shown; the rest is as in the text."""

    servers: str
    protocol: str = "PLAINTEXT"
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    mechanism: str | None = None
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None

    @classmethod
    def of(cls, text: str) -> "Brokers":
        """Raises ValueError, which says what to write instead and never repeats the password."""
        found = _FORM.fullmatch(text.strip())
        if found is None or not all(map(_SERVER.fullmatch, found["servers"].split(","))):
            raise ValueError(
                "name the brokers as host:port[,host:port…], or PROTOCOL://[user:password@]host:port[,…][?option=…]"
            )
        protocol = (found["protocol"] or "PLAINTEXT").upper()
        if protocol not in PROTOCOLS:
            raise ValueError(f"the protocol before :// is one of {', '.join(PROTOCOLS)}")
        user, colon, password = (found["login"] or "").partition(":")
        options = dict(parse_qsl(found["options"] or "", keep_blank_values=True))
        if unknown := options.keys() - {"mechanism", "ca", "certificate", "key"}:
            raise ValueError(f"no option is called {min(unknown)}: there are mechanism, ca, certificate and key")
        made = cls(found["servers"], protocol, unquote(user) or None, unquote(password) if colon else None, **options)
        made._check()
        return made

    def _check(self) -> None:
        if self.protocol.startswith("SASL"):
            if not self.user or not self.password:
                raise ValueError(f"{self.protocol} logs in: write user:password@ before the first broker")
            if self.mechanism not in MECHANISMS:
                raise ValueError(f"say how to log in: ?mechanism= and one of {', '.join(MECHANISMS)}")
        elif self.user or self.mechanism:
            raise ValueError(f"{self.protocol} does not log in: write SASL_SSL://, or take out user and mechanism")
        if not self.protocol.endswith("SSL") and (self.ca or self.certificate or self.key):
            raise ValueError(f"{self.protocol} has no certificates: write SSL:// or SASL_SSL://, or take them out")
        if bool(self.certificate) != bool(self.key):
            raise ValueError("a client's certificate needs its key, and a key its certificate: give both or none")

    def tls(self) -> ssl.SSLContext | None:
        """What an encrypted connection trusts and shows; None where it is not encrypted. Reads the files, and raises
        ValueError naming the one that cannot be read as what it should be."""
        if not self.protocol.endswith("SSL"):
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except OSError as error:  # ssl.SSLError is one
            raise ValueError(f"ca={self.ca} is no readable file of PEM certificates: {error}") from None
        if self.certificate:
            try:
                context.load_cert_chain(self.certificate, self.key)
            except OSError as error:
                raise ValueError(
                    f"certificate={self.certificate} and key={self.key} are no readable PEM files that belong "
                    f"together: {error}"
                ) from None
        return context

    def client(self) -> dict[str, Any]:
        """The settings every aiokafka client takes. Raises as `tls`."""
        settings: dict[str, Any] = {"bootstrap_servers": self.servers, "security_protocol": self.protocol}
        if context := self.tls():
            settings["ssl_context"] = context
        if self.mechanism:
            settings |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.user,
                "sasl_plain_password": self.password,
            }
        return settings
