"""Whether an engine could run on a generation, tried in this process."""

from __future__ import annotations

from collections.abc import Set

from aimx.controller.credentials import Credentials
from aimx.controller.proofs import of_certificate, of_key
from aimx.outbound.signers import Signers
from aimx.outbound.signing_key import KeyUnusableError
from aimx.smtp.certificate import CertificateError, context
from reconcilers.host.host import StepError


def probe(tried: Credentials, known: Set[str] = frozenset()) -> None:
    """Sign and verify once with each key, and load the certificate; raises `StepError`.

    What is known to work (`proofs`) is not tried again.
    """
    signing = tried.signing
    new = {
        domain: {
            algorithm: pem
            for algorithm, pem in pems.items()
            if of_key(domain, signing[domain].selectors.get(algorithm, ""), pem) not in known
        }
        for domain, pems in tried.told_keys.items()
    }
    try:
        Signers().of(new, signing)
    except KeyUnusableError as cause:
        raise StepError(str(cause)) from cause
    certificate = tried.certificate
    if certificate is not None and of_certificate(certificate) not in known:
        try:
            context(certificate)
        except CertificateError as cause:
            raise StepError(str(cause)) from cause
