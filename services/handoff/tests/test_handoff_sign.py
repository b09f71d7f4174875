"""Shows that what we sign is what Standard Webhooks 1.0 asks for, by other people's vectors and verifier."""

import json
import os
import shutil
import subprocess
import time
from base64 import b64encode
from pathlib import Path

import pytest
import svix.webhooks
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from handoff.sign import new_secret, secret_key, signatures

BESIDE = Path(__file__).resolve().parents[4] / "shared" / "material"
VECTORS = Path(os.environ.get("RELEVO_MATERIAL", BESIDE)) / "standard_webhooks" / "vectors.json"

# The signature that all nine reference libraries of standard-webhooks/standard-webhooks (MIT) test for.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MESSAGE = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
BODY = '{"type": "lead.assigned", "data": {"contact": {"full_name": "Olga Peña"}}}'.encode()
SIGNED = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_reference_libraries_signature() -> None:
    assert signatures([SECRET], *MESSAGE) == SIGNED


@pytest.mark.skipif(not VECTORS.is_file(), reason=f"no outside material: {VECTORS} is not there")
def test_every_vector_of_the_standard() -> None:
    vectors = json.loads(VECTORS.read_text("utf-8"))["vectors"]
    assert len(vectors) >= 4
    for vector in vectors:
        ours = signatures([vector["secret"]], vector["id"], vector["timestamp"], vector["body"].encode())
        assert (ours == vector["signature"]) is vector["valid"], vector["name"]


@given(st.binary(max_size=2000))
def test_pypi_standardwebhooks_accepts_it(text: bytes) -> None:
    secret, other, now = new_secret(), new_secret(), int(time.time())
    body = json.dumps(text.decode("latin-1")).encode()
    both = {"webhook-id": "msg_1", "webhook-timestamp": str(now)}
    both["webhook-signature"] = signatures([secret, other], "msg_1", now, body)
    assert Webhook(secret).verify(body, both) == json.loads(body)
    assert Webhook(other).verify(body, both) == json.loads(body)  # while a secret is being replaced, both do


def test_pypi_svix_accepts_it() -> None:
    secret, now = new_secret(), int(time.time())
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(now)}
    headers["webhook-signature"] = signatures([new_secret(), secret], "msg_1", now, BODY)
    svix.webhooks.Webhook(secret).verify(BODY, headers)
    with pytest.raises(svix.webhooks.WebhookVerificationError):
        svix.webhooks.Webhook(secret).verify(BODY.replace(b"Olga", b"Ana"), headers)


@pytest.mark.skipif(shutil.which("node") is None or shutil.which("npm") is None, reason="node and npm are not there")
def test_npm_standardwebhooks_accepts_it(tmp_path: Path) -> None:
    try:
        got = subprocess.run(
            ["npm", "install", "--silent", "--no-audit", "--no-fund", f"--prefix={tmp_path}", "standardwebhooks@1.1.1"],
            capture_output=True, timeout=60, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        pytest.skip("npm did not bring standardwebhooks within a minute")
    if got.returncode:
        pytest.skip("npm could not bring standardwebhooks")
    secret, now = new_secret(), int(time.time())
    told = {
        "secret": secret, "body": BODY.decode(),
        "headers": {"webhook-id": "msg_1", "webhook-timestamp": str(now),
                    "webhook-signature": signatures([new_secret(), secret], "msg_1", now, BODY)},
    }  # fmt: skip
    script = """
const { Webhook } = require("standardwebhooks");
const told = JSON.parse(require("fs").readFileSync(0));
const verified = new Webhook(told.secret).verify(told.body, told.headers);
let forged = false;
try { new Webhook(told.secret).verify(told.body + " ", told.headers); forged = true; } catch (_) {}
console.log(JSON.stringify({ verified, forged }));
"""
    found = subprocess.run(
        ["node", "-e", script], input=json.dumps(told), cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert json.loads(found.stdout) == {"verified": json.loads(BODY), "forged": False}


def test_prefix_and_padding_do_not_matter() -> None:
    padded = "whsec_" + b64encode(b"k" * 25).decode()
    assert padded.endswith("=")
    assert secret_key(padded) == secret_key(padded.removeprefix("whsec_").rstrip("=")) == b"k" * 25


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_%%%", "whsec_" + b64encode(b"x" * 65).decode()]
)
def test_what_is_no_secret_is_refused_and_never_shown(secret: str) -> None:
    with pytest.raises(ValueError) as refused:
        secret_key(secret)
    assert len(secret) < 8 or secret not in str(refused.value)


def test_an_id_with_a_full_stop_could_sign_for_another_message() -> None:
    with pytest.raises(ValueError):
        signatures([SECRET], "msg.1", 1614265330, b"")
