"""Whether an engine could run on a generation, tried in this process."""

from __future__ import annotations

from aimx.controller.compiled import Compiled
from aimx.outbound.sign import KeyUnusableError, Signer
from aimx.smtp.certificate import CertificateError, context
from reconcilers.host.host import StepError


def probe(compiled: Compiled) -> None:
    """Sign and verify once with each key, and load the certificate; raises `StepError`."""
    for domain, pem in compiled.keys.items():
        try:
            Signer(pem, compiled.snapshot.signing[domain].selector, domain).probe()
        except KeyUnusableError as cause:
            raise StepError(f"the DKIM key of {domain} cannot sign: {cause}") from cause
    if compiled.certificate is not None:
        try:
            context(compiled.certificate)
        except CertificateError as cause:
            raise StepError(str(cause)) from cause
