"""pyspf's evaluation of a policy, where RFC 7208 says something else."""

from __future__ import annotations

import re

import spf  # type: ignore[import-untyped]

_MODIFIER = re.compile(r"([a-z][a-z0-9_.-]*)=", re.IGNORECASE)
_KNOWN = ("redirect", "exp")
# A macro that asks for no labels at all; `%%`, `%_` and `%-` stand for themselves.
_NO_LABELS = re.compile(r"%(?:[%_-]|\{[a-z](0+)(?![0-9]))", re.IGNORECASE)


class Query(spf.query):  # type: ignore[misc]
    """Look-ups go through `spf.DNSLookup`, as in pyspf."""

    def dns_spf(self, domain: str) -> str | None:
        """The policy of a domain, so that pyspf understands it; raises PermError."""
        record = super().dns_spf(domain)
        if not record:
            return None
        if any(found[1] for found in _NO_LABELS.finditer(record)):
            raise spf.PermError("a macro asks for no labels (RFC 7208 7.1)")
        version, *terms = record.split(" ")
        return " ".join([version, *map(_term, terms, range(len(terms)))])

    def dns_mx(self, domainname: str) -> list[str]:
        """RFC 7208 4.6.4: void is a term, and a host of it that has no address is not."""
        hosts = sorted(self.dns(domainname, "MX"))
        if len(hosts) > spf.MAX_MX:
            raise spf.PermError(f"more than {spf.MAX_MX} MX records")
        return [address for _, host in hosts for address in self._addresses(host)]

    def validated_ptrs(self) -> list[str]:
        """RFC 7208 5.5: a name whose addresses cannot be looked up is skipped."""
        return [name for name in self.dns_ptr(self.i)[: spf.MAX_PTR] if self._is_validated(name)]

    def _is_validated(self, name: str) -> bool:
        try:
            return bool(self.cidrmatch(self._addresses(name), self.cidrmax))
        except spf.TempError:
            return False

    def _addresses(self, host: str) -> list[str]:
        return list(self.dns(host, self.A, ignore_void=True))


def _term(term: str, number: int) -> str:
    """RFC 7208 6: a modifier's name in any case; one that nobody knows as often as it likes."""
    found = _MODIFIER.match(term)
    if not found:
        return term
    name = found[1].lower()
    return f"{name if name in _KNOWN else f'unknown{number}'}={term[found.end() :]}"
