"""
Credentials and certificates of a configuration, read from its text and from the files that it names.

What stands in a file is read each time a connection is made, so that a rotated secret is taken up by the next one.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path

from gateways.errors import ConfigurationError, SourceUnavailable
from gateways.options import OptionReader


@dataclass(frozen=True, slots=True)
class Tls:
    """
    How TLS is done; empty: as the machine is set up.
    """

    ca_file: str = ""
    """Only what these authorities have signed is believed."""
    cert_file: str = ""
    key_file: str = ""
    server_name: str = ""
    """The name in the server's certificate, where it is not the host of the url."""

    @classmethod
    def of(cls, reader: OptionReader) -> Tls:
        """
        What the option `tls` says.

        Raises:
            ConfigurationError: It says half of something.
        """
        options = reader.mapping("tls")
        if options is None:
            return cls()
        names = ("caFile", "certFile", "keyFile", "serverName")
        tls = cls(*(options.text(name) for name in names))
        if bool(tls.cert_file) != bool(tls.key_file):
            raise ConfigurationError("tls.certFile and tls.keyFile belong together")
        return tls


@dataclass(frozen=True, slots=True)
class Login:
    """
    Who a gateway says it is; nothing set: it does not. A `…_file` is read at each connect.
    """

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    username_file: str = ""
    password_file: str = ""

    @classmethod
    def of(cls, options: OptionReader) -> Login:
        """
        What the option `auth` says, which is *options*.
        """
        files = (options.text("usernameFile"), options.text("passwordFile"))
        return cls(text_if_given(options, "username"), text_if_given(options, "password"), *files)

    def read(self) -> tuple[str | None, str | None]:
        """
        User and password now; None for one that is not given.

        Raises:
            SourceUnavailable: A file cannot be read; it may be there next time.
        """
        username = credential("usernameFile", self.username, self.username_file)
        return username, credential("passwordFile", self.password, self.password_file)


def tls_context(tls: Tls) -> ssl.SSLContext:
    """
    What *tls* means now. Without a `caFile` the machine's authorities are believed.

    Raises:
        SourceUnavailable: A file cannot be read or used; it may be there next time.
    """
    try:
        context = ssl.create_default_context(cafile=tls.ca_file or None)
    except (OSError, ValueError) as error:
        raise SourceUnavailable(f"tls.caFile {tls.ca_file} cannot be used: {_why(error)}") from error
    if tls.cert_file:
        try:
            context.load_cert_chain(tls.cert_file, tls.key_file)
        except (OSError, ValueError) as error:
            files = f"tls.certFile {tls.cert_file} with tls.keyFile {tls.key_file}"
            raise SourceUnavailable(f"{files} cannot be used: {_why(error)}") from error
    return context


def is_given(options: OptionReader, name: str) -> bool:
    """
    Whether the credential *name* stands in the text or in a file that `<name>File` names.

    Raises:
        ConfigurationError: Both are there.
    """
    here, in_file = options.has(name), bool(options.text(f"{name}File"))
    if here and in_file:
        raise ConfigurationError(f"auth.{name} and auth.{name}File exclude each other")
    return here or in_file


def text_if_given(options: OptionReader, name: str) -> str | None:
    """
    The credential *name* as it stands in the text; None where it does not.
    """
    return options.text(name) if options.has(name) else None


def credential(key: str, value: str | None, file: str) -> str | None:
    """
    What *file* holds now, where one is named by *key*; else *value*.

    Raises:
        SourceUnavailable: The file cannot be read; it may be there next time.
    """
    return read_credential(key, file) if file else value


def read_credential(key: str, file: str) -> str:
    """
    What the *file* that *key* names holds, without blanks around it.

    Raises:
        SourceUnavailable: It cannot be read; it may be there next time.
    """
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise SourceUnavailable(f"auth.{key} {file} cannot be read: {_why(error)}") from error


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "no such certificate").lower().replace("_", " ")
    return (error.strerror if isinstance(error, OSError) and error.strerror else "its content is malformed").lower()
