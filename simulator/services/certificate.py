"""
Certificate: a server's certificate, made at start, that counts as trusted on this machine while the service is up.

Texts need not name a file for it, and are never rewritten: whoever asks OpenSSL for the machine's authorities, in this
process or in one that it starts, finds it among them.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import ssl
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from simulator.errors import ServiceUnavailable
from simulator.services.service import Service

_AUTHORITIES = "SSL_CERT_FILE"
"""Where OpenSSL looks for the authorities that this machine trusts."""
_REQUEST = (
    *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
    *("-addext", "keyUsage=critical,digitalSignature,keyCertSign"),
)


class CertificateUnavailable(Exception):
    """
    No certificate can be made here.

    Attributes:
        reason: Why.
        how: What to install; empty where nothing would help.
    """

    def __init__(self, reason: str, how: str = "") -> None:
        self.reason = reason
        self.how = how
        super().__init__(reason)


class Certificate:
    """
    One self-signed certificate with its key.

    Args:
        folder: Where its files are put.
        hosts: The names and addresses that it is for; at least one.
        subject: Who has it.
        days: How long it is good for.
    """

    def __init__(self, folder: Path, hosts: Sequence[str], *, subject: str = "/CN=gatesim", days: int = 2) -> None:
        self._about = ("-subj", subject, "-days", str(days))
        self.file = folder / "certificate.pem"
        self.key = folder / "certificate.key"
        self.host = hosts[0]
        self._hosts = tuple(hosts)
        self._authorities = folder / "authorities.pem"
        self._before: str | None = None
        self._trusted = False
        self.own_folder: TemporaryDirectory[str] | None = None
        """Goes with it, where nobody else has that folder."""

    async def make(self) -> None:
        """
        Make the files.

        Raises:
            CertificateUnavailable: openssl is missing, or fails.
        """
        openssl = shutil.which("openssl")
        if openssl is None:
            raise CertificateUnavailable("a certificate is made with openssl, which was not found", "install openssl")
        making = await asyncio.create_subprocess_exec(
            *(openssl, *_REQUEST, *self._about, "-addext", f"subjectAltName={_alternative_names(self._hosts)}"),
            *("-keyout", str(self.key), "-out", str(self.file)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await making.communicate()
        if making.returncode:
            raise CertificateUnavailable(f"openssl fails: {said.decode(errors='replace').strip()}")

    def trust(self) -> None:
        """
        Let it count as trusted, beside what was trusted by that variable before.
        """
        self._before = os.environ.get(_AUTHORITIES)
        before = Path(self._before).read_bytes() if self._before else b""
        self._authorities.write_bytes(self.file.read_bytes() + before)
        os.environ[_AUTHORITIES] = str(self._authorities)
        self._trusted = True

    def serving(self) -> ssl.SSLContext:
        """
        How a server shows it.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        return context

    def forget(self) -> None:
        """
        Put back what was trusted before. Calling again does nothing.
        """
        if self.own_folder is not None:
            self.own_folder.cleanup()
        if not self._trusted:
            return
        self._trusted = False
        if self._before is not None:
            os.environ[_AUTHORITIES] = self._before
        else:
            os.environ.pop(_AUTHORITIES, None)


async def certified(service: Service, folder: Path | None = None, *, more_hosts: Sequence[str] = ()) -> Certificate:
    """
    A certificate for every host by which texts mean *service*, and *more_hosts* that it tells its clients of; it counts
    as trusted from now on.

    Args:
        folder: Where its files are put; one of its own, which goes when it is forgotten, where there is none.

    Raises:
        ServiceUnavailable: None can be made here.
    """
    hosts = [peer.rpartition(":")[0] for peer in service.peers] or ["localhost"]
    own = TemporaryDirectory(prefix=f"gatesim-{service.type}-") if folder is None else None
    certificate = Certificate(Path(own.name) if own is not None else folder or Path(), (*hosts, *more_hosts))
    certificate.own_folder = own
    try:
        await certificate.make()
    except CertificateUnavailable as error:
        raise ServiceUnavailable(service.name, service.provider, error.reason, error.how) from error
    certificate.trust()
    return certificate


def _alternative_names(hosts: Sequence[str]) -> str:
    return ",".join(f"{'IP' if re.fullmatch(r'[0-9.]+|.*:.*', host) else 'DNS'}:{host}" for host in hosts)
