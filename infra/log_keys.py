"""Certificates of the security log: the centre's own between agent and relay, and those that its receivers gave us.

It prints none, and keeps the key of the centre's own authority nowhere: to renew is to make all of it anew.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from catalogue.province import SecurityLog
from infra import naming
from infra.credentials import Done, Secrets
from infra.errors import InfraError

_VALID: Final = datetime.timedelta(days=400)
_RENEWED_BEFORE: Final = datetime.timedelta(days=60)
_FILES: Final = ("ca.crt", "tls.crt", "tls.key")
_ENDS: Final = {
    naming.LOG_AGENT: (naming.LOG_AGENTS, naming.LOG_TLS),
    naming.LOG_RELAY: (naming.SECURITY_LOG, naming.LOG_TLS),
    naming.LOG_NATIONAL: (naming.SECURITY_LOG, naming.LOG_NATIONAL_TLS),
}
"""Namespace and Secret of each of our own programs."""
VARIABLES: Final = {naming.SOC_TLS: "DCSHIFT_SOC_TLS", naming.NATIONAL_TLS: "DCSHIFT_NATIONAL_TLS"}
"""Folder with ca.crt, tls.crt and tls.key of the client that a receiver knows, by the Secret that holds it."""


def provide(
    secrets: Secrets, log: SecurityLog, folders: dict[str, Path], now: datetime.datetime
) -> Iterator[tuple[str, Done]]:
    """Yield each certificate as it is certain. Raises `InfraError` for one that nobody has given us."""
    ends = {name: place for name, place in _ENDS.items() if log.national or name != naming.LOG_NATIONAL}
    for namespace in sorted({namespace for namespace, _ in ends.values()}):
        secrets.require_namespace(namespace, "the security log")
    kept = {name: secrets.read(*place) for name, place in ends.items()}
    usable = _usable(kept, now)
    if not usable:
        for name, values in _fresh(ends, now).items():
            secrets.write(*ends[name], values)
    yield "security log", Done("certificates between its own programs", made=not usable)
    for name in (naming.SOC_TLS, *([naming.NATIONAL_TLS] if log.national else [])):
        yield "security log", _given(secrets, name, folders[name])


def _given(secrets: Secrets, name: str, folder: Path) -> Done:
    held = secrets.read(naming.SECURITY_LOG, name)
    given = {file: folder / file for file in _FILES}
    lacking = [str(path) for path in given.values() if not path.is_file()]
    if lacking and (held is None or len(lacking) < len(given)):
        raise InfraError(
            "log-certificate-missing",
            what=f"the security log has no certificate for Secret {naming.SECURITY_LOG}/{name}",
            why=f"{', '.join(lacking)}: not there; the receiver's own team issues it",
            state="everything that was said above is done",
            next=f"name the folder of ca.crt, tls.crt and tls.key in {VARIABLES[name]}, then run this again",
        )
    values = held if lacking else {file: path.read_text(encoding="utf-8") for file, path in given.items()}
    assert values is not None
    changed = values != held
    if changed:
        secrets.write(naming.SECURITY_LOG, name, values)
    return Done(f"certificate of a receiver, Secret {naming.SECURITY_LOG}/{name}", made=changed)


def _usable(kept: dict[str, dict[str, str] | None], now: datetime.datetime) -> bool:
    """Return whether all ends hold certificates of one authority that stay valid for a while."""
    held = [values for values in kept.values() if values is not None and all(values.get(file) for file in _FILES)]
    if len(held) < len(kept) or len({values["ca.crt"] for values in held}) > 1:
        return False
    certificates = [x509.load_pem_x509_certificate(values["tls.crt"].encode()) for values in held]
    return all(each.not_valid_after_utc > now + _RENEWED_BEFORE for each in certificates)


def _fresh(ends: Iterable[str], now: datetime.datetime) -> dict[str, dict[str, str]]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "dcshift security log")])
    authority = _signed(name, name, key.public_key(), key, now, x509.BasicConstraints(ca=True, path_length=0))
    found = {}
    for end in ends:
        own = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, end)])
        certificate = _signed(
            subject,
            name,
            own.public_key(),
            key,
            now,
            x509.BasicConstraints(ca=False, path_length=None),
            x509.SubjectAlternativeName([x509.DNSName(end)]),
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]),
        )
        private = own.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        found[end] = {"ca.crt": authority, "tls.crt": certificate, "tls.key": private.decode()}
    return found


def _signed(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    signer: ec.EllipticCurvePrivateKey,
    now: datetime.datetime,
    *extensions: x509.ExtensionType,
) -> str:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + _VALID)
    )
    for each in extensions:
        builder = builder.add_extension(each, critical=isinstance(each, x509.BasicConstraints))
    return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
