"""What an engine signs with, and offers TLS with: all that can be tried where none runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from aimx.controller.secrets import Secrets, SigningKeys
from aimx.signing import Signing
from desired.desired import Desired, HostedDomain
from desired.frozen import field, frozen
from desired.loaded import loaded
from desired.problem import ManifestError
from reconcilers.host.host import Reading, StepError, UnseenError
from reconcilers.roots import Roots


@frozen
class Credentials:
    """The keys and the certificate of an engine config."""

    signing: Mapping[str, Signing]
    keys: Mapping[str, SigningKeys] = field(repr=False)  # By domain.
    certificate: bytes | None = field(repr=False)

    @property
    def told_keys(self) -> Mapping[str, Mapping[str, str]]:
        """The keys as outbound is told them."""
        return {
            domain: {algorithm: pem.decode() for algorithm, pem in keys.items()}
            for domain, keys in self.keys.items()
        }


def credentials(config: bytes, host: Reading, roots: Roots) -> Credentials:
    """As much of an engine config as is tried where no engine runs; raises `StepError`."""
    with loading():
        desired = loaded(str(roots.engine_config), config)
        secrets = Secrets(desired, host, roots)
        return Credentials(signing(desired), secrets.keys({}), secrets.certificate(None))


def signing(desired: Desired) -> dict[str, Signing]:
    """How mail of each domain is signed."""
    return {domain.name.ascii: _signing(domain) for domain in desired.domains}


def _signing(domain: HostedDomain) -> Signing:
    selectors: dict[str, str] = {
        algorithm: str(selector) for algorithm, selector in domain.selectors.items()
    }
    return Signing(selectors, domain.signature)


@contextmanager
def loading() -> Iterator[None]:
    """Whatever keeps an engine from its config is a step that failed."""
    try:
        yield
    except ManifestError as cause:
        first = str(cause).partition("\n")[0]
        raise StepError(f"the engine config cannot be loaded: {first}") from cause
    except UnseenError as cause:
        raise StepError(str(cause)) from cause
