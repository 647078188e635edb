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
    report = judged(make(), path=False)
    assert (report.indication is Indication.PASSED) == about_path
    assert report.level is Level.NONE


def test_there_is_a_document_for_every_code() -> None:
    beside_the_document = {
        "verify.counter-signature-elsewhere",  # a counter-signature decides nothing: see its tests
        "verify.revocation-unknown",  # that is a matter of the policy: see the tests of paths
    }
    assert {code for code, _ in ALL.values()} | beside_the_document == set(VERDICTS)


def test_every_code_and_every_hint_has_words_in_both_languages() -> None:
    for code in VERDICTS:
        for language in ("pl", "en"):
            assert explain(Untrusted(code), language)
            assert hint(code, language)
