import pytest

from aimx.outbound.sign import Signer
from aimx.outbound.signers import Signers
from aimx.outbound.signing_key import KeyUnusableError
from aimx.signing import Signing

BOTH = Signing({"rsa-sha256": "aimx", "ed25519-sha256": "aimx-ed25519"})


@pytest.fixture
def keys(pem: bytes, second_pem: bytes) -> dict[str, str]:
    return {"ed25519-sha256": second_pem.decode(), "rsa-sha256": pem.decode()}


def named(signers: dict[str, list[Signer]]) -> dict[str, list[tuple[str, str]]]:
    return {
        domain: [(each.algorithm, each.selector) for each in found]
        for domain, found in signers.items()
    }


def test_signatures_stand_in_the_order_in_which_the_manifest_names_them(
    keys: dict[str, str],
) -> None:
    found = Signers().of({"a.example": keys}, {"a.example": BOTH})

    assert named(found) == {
        "a.example": [("rsa-sha256", "aimx"), ("ed25519-sha256", "aimx-ed25519")]
    }


def test_a_domain_signs_with_what_it_has(keys: dict[str, str]) -> None:
    held = {"a.example": {"rsa-sha256": keys["rsa-sha256"]}}

    found = Signers().of(held, {"a.example": BOTH, "b.example": BOTH})

    assert named(found) == {"a.example": [("rsa-sha256", "aimx")]}


def test_a_key_that_is_known_is_not_loaded_again(keys: dict[str, str]) -> None:
    signers = Signers()
    (first, second) = signers.of({"a.example": keys}, {"a.example": BOTH})["a.example"]
    other = Signing({"rsa-sha256": "aimx", "ed25519-sha256": "s2"})

    (kept, renamed) = signers.of({"a.example": keys}, {"a.example": other})["a.example"]

    assert kept is first
    assert renamed is not second


def test_each_of_two_keys_is_tried_and_a_refusal_names_the_domain(keys: dict[str, str]) -> None:
    for algorithm in keys:
        spoilt = keys | {algorithm: "nonsense"}

        with pytest.raises(
            KeyUnusableError, match=r"the DKIM key of a\.example cannot sign: it is"
        ):
            Signers().of({"a.example": spoilt}, {"a.example": BOTH})
