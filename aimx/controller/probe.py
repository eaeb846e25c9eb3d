"""Whether an engine could run on a generation, tried in this process."""

from __future__ import annotations

from aimx.controller.compiled import Compiled
from aimx.outbound.signers import Signers
from aimx.outbound.signing_key import KeyUnusableError
from aimx.smtp.certificate import CertificateError, context
from reconcilers.host.host import StepError


def probe(compiled: Compiled) -> None:
    """Sign and verify once with each key, and load the certificate; raises `StepError`."""
    try:
        Signers().of(compiled.told_keys, compiled.snapshot.signing)
    except KeyUnusableError as cause:
        raise StepError(str(cause)) from cause
    if compiled.certificate is not None:
        try:
            context(compiled.certificate)
        except CertificateError as cause:
            raise StepError(str(cause)) from cause
