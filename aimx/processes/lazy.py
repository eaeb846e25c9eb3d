"""What Python loads at first use, loaded while the interpreter can still be read.

After the drop to a service user an interpreter under /root is out of reach, and codecs, record
types and C functions then fail quietly, in the middle of somebody's mail.
"""

from __future__ import annotations

import codecs
import contextlib
import encodings
import importlib
import os
import pkgutil
import ssl
import sys
import zoneinfo
from collections.abc import Callable, Iterable
from importlib.machinery import PathFinder

# Loaded inside functions of the standard library and of asyncio.
_MODULES = (
    "_strptime",
    "asyncio",
    "bisect",
    "concurrent.futures.thread",
    "ctypes",
    "email.header",
    "email.parser",
    "email.policy",
    "email.utils",
    "encodings.idna",
    "getpass",
    "hashlib",
    "linecache",
    "netrc",
    "quopri",
    "sqlite3.dbapi2",
    "stringprep",
    "tempfile",
    "traceback",
    "unicodedata",
    "uu",
)
# dnspython imports the module of a record type when it meets the first such record.
DNS = ("dns.rdtypes", "dns.asyncresolver", "dns._asyncio_backend")

# A module of the standard library: whether its file can be read tells for all.
_ANY = "colorsys"


class LazyError(Exception):
    """Something that a worker needs cannot be loaded."""


def warm_up(packages: Iterable[str] = ()) -> None:
    """Load what is loaded at first use, and every module below these packages."""
    for name in _MODULES:
        # Deprecated ones go with later versions of Python, and then nobody needs them either.
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for codec in pkgutil.iter_modules(encodings.__path__):
        with contextlib.suppress(ImportError, LookupError):
            importlib.import_module(f"encodings.{codec.name}")
            codecs.lookup(codec.name)
    for package in packages:
        _load_below(package)
    _use_all()


def probe() -> None:
    """Raise `LazyError` unless imports still work, or what warm-up loaded does without them."""
    if not _can_import():
        _use_all()


def _can_import() -> bool:
    # Not by importing: whatever module it is, somebody may have loaded it already.
    found = PathFinder.find_spec(_ANY)
    return found is not None and found.origin is not None and os.access(found.origin, os.R_OK)


def _use_all() -> None:
    for subject, use in _USES.items():
        try:
            use()
        except (ImportError, LookupError, OSError, ValueError) as cause:
            raise LazyError(f"{subject} cannot be used: {cause}") from cause


def _load_below(package: str) -> None:
    module = importlib.import_module(package)
    for below in pkgutil.iter_modules(getattr(module, "__path__", ())):
        _load_below(f"{package}.{below.name}")


def _charsets() -> None:
    for name in ("iso2022_jp", "gb18030", "koi8_r", "cp1252", "utf_7", "big5"):
        "a".encode(name).decode(name)


def _names() -> None:
    "b\u00fccher.example".encode("idna")
    b"xn--bcher-kva.example".decode("idna")


def _functions() -> None:
    importlib.import_module("ctypes").CDLL(None).getpid()


def _records() -> None:
    if "dns.rdtypes" not in sys.modules:
        return
    data = importlib.import_module("dns.rdata")
    for kind, text in (("MX", "10 mx.example."), ("TXT", '"v=spf1 -all"'), ("AAAA", "::1")):
        data.from_text("IN", kind, text)


def _encryption() -> None:
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _zones() -> None:
    # A host without a time zone database has none before the drop either.
    with contextlib.suppress(zoneinfo.ZoneInfoNotFoundError):
        zoneinfo.ZoneInfo.no_cache("UTC")


_USES: dict[str, Callable[[], None]] = {
    "character sets": _charsets,
    "internationalised names": _names,
    "C functions": _functions,
    "DNS records": _records,
    "TLS": _encryption,
    "time zones": _zones,
}
