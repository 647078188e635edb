"""Every document of the corpus gives the code in its name, its verdict, and words in both languages."""

import pytest

from broker.errors import Untrusted
from broker.evidence import Indication, Level, to_json
from broker.texts import explain, hint
from broker.verify.fault import VERDICTS
from tests.corpus.verify.attacks import ATTACKS
from tests.corpus.verify.refused import REFUSED
from tests.corpus.verify.scene import judged

ALL = {**REFUSED, **{f"attack-{name}": case for name, case in ATTACKS.items()}}


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_bad_document_is_refused_with_its_own_code(name: str) -> None:
    code, make = ALL[name]
    report = judged(make())
    assert report.code == code
    assert report.sub_indication == VERDICTS[code]
    assert report.indication is not Indication.PASSED
    assert report.level is Level.NONE
    assert to_json(report)


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_bad_document_does_not_pass_without_the_path_either_unless_the_path_alone_is_bad(name: str) -> None:
    code, make = ALL[name]
    about_path = code.startswith(("verify.chain-", "verify.certificate-is", "verify.key-usage")) or code in (
        "verify.certificate-expired",
        "verify.certificate-not-yet-valid",
    )
    # Nor is a counter-signer: where nobody asks whom to believe, a stranger's words are signed as anybody's are.
    about_path |= name.startswith("counter-signature-unproven--a-role-")
    report = judged(make(), path=False)
    assert (report.indication is Indication.PASSED) == about_path
    assert report.level is Level.NONE


def test_there_is_a_document_for_every_code_that_a_document_alone_can_give() -> None:
    needs_more = {
        code
        for code in VERDICTS
        # A counter-signature and a time-stamp decide nothing, revocation needs evidence, a claimed time a policy, a disagreement somebody who disagrees: each has tests of its own.
        if code == "verify.counter-signature-elsewhere"
        or code.startswith(
            (
                "verify.timestamp-",
                "verify.signing-time-",
                "verify.revocation-",
                "verify.revoked",
                "verify.ca-",
                "verify.on-hold",
                "verify.second-opinion",
            )
        )
    }
    assert {code for code, _ in ALL.values()} | needs_more == set(VERDICTS)


def test_every_code_and_every_hint_has_words_in_both_languages() -> None:
    for code in VERDICTS:
        for language in ("pl", "en"):
            assert explain(Untrusted(code), language)
            assert hint(code, language)
