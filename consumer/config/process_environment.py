"""The variables that the HTTP clients read by themselves: proxies and certificate authorities.

httpx2 and the schema registry's client read them whenever a client is built, even if no request would use them. One
that cannot be used would end the start with an error of theirs, which may quote a part of a password.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from pathlib import Path

from consumer.model.findings import Finding

_SCHEMES = ("http", "https", "all")
_NOT_IN_A_HOST = re.compile(r"[\s\"'`;\x00-\x1f]")
_HASHED_CERTIFICATE = re.compile(r"[0-9a-fA-F]{8}\.\d+")
_UNSET = "or unset the variable"


def environment_findings(environ: Mapping[str, str]) -> list[Finding]:
    """Return an error for each variable that the HTTP clients read and cannot use. No finding contains a value."""
    found = [*_proxy_findings(environ), _certificate_finding(environ)]
    return [each for each in found if each is not None]


def _proxy_findings(environ: Mapping[str, str]) -> list[Finding]:
    proxies = _proxies(environ)
    no_proxy = _variable("no", environ)
    exceptions = [each.strip() for each in environ[no_proxy].split(",")] if no_proxy is not None else []
    if not proxies or "*" in exceptions:
        return []
    from consumer.delivery.http.client import proxy_complaint  # noqa: PLC0415 - the import takes a tenth of a second

    found = []
    for name, value in proxies.items():
        complaint = proxy_complaint(value if "://" in value else f"http://{value}")
        if complaint is not None:
            found.append(_error(name, *complaint))
    if no_proxy is not None and any(_NOT_IN_A_HOST.search(each) for each in exceptions):
        found.append(
            _error(
                no_proxy,
                "has an entry that is not a host",
                "separate host names with commas; remove quotes and blanks from the entries",
            )
        )
    return found


def _proxies(environ: Mapping[str, str]) -> dict[str, str]:
    names = [_variable(scheme, environ) for scheme in _SCHEMES]
    return {name: environ[name] for name in names if name is not None and environ[name]}


def _variable(scheme: str, environ: Mapping[str, str]) -> str | None:
    """Return the name of the variable that `urllib.request.getproxies` reads: the name in small letters wins."""
    name = f"{scheme}_proxy"
    if name in environ:
        return name
    if scheme == "http" and "REQUEST_METHOD" in environ:
        return None  # in a CGI script a header of the request could set it
    return next((each for each in reversed(list(environ)) if each.lower() == name), None)


def _certificate_finding(environ: Mapping[str, str]) -> Finding | None:
    """Return the error of the variable that names the certificate authorities. The directory counts without a file."""
    file, folders = environ.get("SSL_CERT_FILE"), environ.get("SSL_CERT_DIR")
    if file:
        message = _file_complaint(file)
        hint = f"name a file of PEM certificates that this process may read, {_UNSET}"
        return None if message is None else _error("SSL_CERT_FILE", message, hint)
    if folders and not any(_has_certificate(Path(each)) for each in folders.split(os.pathsep) if each):
        message = "names no directory with a certificate"
        hint = f"name a directory of PEM certificates that `openssl rehash` has prepared, {_UNSET}"
        return _error("SSL_CERT_DIR", message, hint)
    return None


def _file_complaint(file: str) -> str | None:
    try:
        has_certificate = bool(ssl.create_default_context(cafile=file).cert_store_stats()["x509"])
    except FileNotFoundError:
        return "names a file that does not exist"
    except ssl.SSLError:
        has_certificate = False
    except OSError:
        return "names a file that cannot be read"
    except ValueError:
        return "is not the path of a file"
    return None if has_certificate else "names a file without a certificate"


def _has_certificate(folder: Path) -> bool:
    try:
        return any(_HASHED_CERTIFICATE.fullmatch(each.name) for each in folder.iterdir())
    except (OSError, ValueError):
        return False


def _error(name: str, message: str, hint: str) -> Finding:
    return Finding("error", "", None, None, name, message, hint)
