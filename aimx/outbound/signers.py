"""Who signs for which domain: each key loaded and tried once, for as long as it is used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from aimx.outbound.sign import Signer
from aimx.outbound.signing_key import KeyUnusableError
from aimx.signing import Signing


class Signers:
    """Those of the last generation are known, and cost the next one nothing."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], Signer] = {}  # By domain, selector, PEM.

    def of(
        self, keys: Mapping[str, Mapping[str, str]], signing: Mapping[str, Signing]
    ) -> Mapping[str, Sequence[Signer]]:
        """By domain, in the order in which its signatures stand; raises `KeyUnusableError`.

        `keys` are in PEM, by domain and algorithm.
        """
        known = {named: self._signer(*named) for named in _named(keys, signing)}
        self._known = known
        found: dict[str, list[Signer]] = {}
        for signer in known.values():
            found.setdefault(signer.domain, []).append(signer)
        return found

    def _signer(self, domain: str, selector: str, pem: str) -> Signer:
        signer = self._known.get((domain, selector, pem))
        if signer is not None:
            return signer
        try:
            signer = Signer(pem.encode(), selector, domain)
            signer.probe()
        except KeyUnusableError as cause:
            raise KeyUnusableError(f"the DKIM key of {domain} cannot sign: {cause}") from cause
        return signer


def _named(
    keys: Mapping[str, Mapping[str, str]], signing: Mapping[str, Signing]
) -> Iterator[tuple[str, str, str]]:
    for domain, pems in keys.items():
        for algorithm, selector in signing[domain].selectors.items():
            if algorithm in pems:
                yield domain, selector, pems[algorithm]
