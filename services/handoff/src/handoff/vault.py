"""Secrets of endpoints at rest: encrypted with a key that is not in the database; and keys derived for one purpose."""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from handoff.settings import Settings


class Vault:
    """Seals with the newest key, opens with any. `keys` are Fernet keys, newest first."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])
        self._links = sha256(b"links " + keys[0]).digest()

    def seal(self, secret: str) -> str:
        return self._fernet.encrypt(secret.encode()).decode()

    @lru_cache(maxsize=4096)  # noqa: B019  as many as there are endpoints, in a vault that lives as long as the process
    def open(self, sealed: str) -> str:
        """Raises ValueError where no key of ours sealed it."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken:
            raise ValueError("sealed with a key that is gone: put it back, behind the newest one") from None

    def again(self, sealed: str) -> str:
        """The same secret, sealed with the newest key."""
        return self.seal(self.open(sealed))

    def token(self, *about: object) -> str:
        """What opens a one-click link: the same each time for the same thing, and nobody else's to guess."""
        said = "\0".join(map(str, about)).encode()
        return urlsafe_b64encode(hmac.digest(self._links, said, "sha256")[:24]).decode()


def vault(settings: Settings) -> Vault:
    """Of the file of keys, where there is one; the installation secret's own key goes last, so that what it sealed
    before there was a file can still be read. Raises SystemExit where there is neither."""
    keys = []
    if settings.keys is not None:
        lines = (line.strip() for line in settings.keys.read_text().splitlines())
        keys = [line.encode() for line in lines if line and not line.startswith("#")]
    if settings.secret is not None:
        derived = HKDF(SHA256(), 32, salt=None, info=b"relevo handoff endpoints").derive(
            settings.secret.get_secret_value().encode()
        )
        keys.append(urlsafe_b64encode(derived))
    if not keys:
        raise SystemExit("handoff: set RELEVO_SECRET or RELEVO_KEYS, with which secrets of endpoints are encrypted")
    try:
        return Vault(keys)
    except ValueError:
        raise SystemExit("handoff: a line of RELEVO_KEYS is no Fernet key (32 bytes in URL-safe base64)") from None
