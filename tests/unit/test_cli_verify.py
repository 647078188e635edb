"""`goniec verify`: every verdict with its status, one answer a file, and the options that say how to judge."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from adapters.testkit.pki import JAN, Pki
from adapters.testkit.signer import countersign, sign, sign_on_platform
from adapters.testkit.signing.recipe import PLAIN, QUALIFIED
from adapters.testkit.signing.stamped import stamp
from adapters.testkit.tsa import Tsa
from config.cli import verify
from config.demo.forms import Kind, form
from config.demo.offices import offices
from tests.commands import answer, lines, run
from tests.revocation import DAY, HOUR, a_list, an_answer, serial

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
PKI = Pki(at=AT, keys="ec-256", cas="ec-256")
FORM = form(Kind.LETTER_1410, offices()[0], 1, at=AT)
SIGNED = sign(FORM, PKI.person, AT, QUALIFIED)
CHANGED = SIGNED.replace(b"Tytul>", b"Tytul>NIE ", 1)
SAMPLES = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "podpis-samples"
KEYS = {"file", "indication", "sub_indication", "reason", "signatures", "revocation", "code"}


@pytest.fixture
def trust(tmp_path):
    file = tmp_path / "ca.pem"
    file.write_bytes(PKI.qualified_ca.credential.pem)
    return ["--trust", file, "--at", "2026-06-01T12:00:00Z"]


@pytest.fixture
def put(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()

    def write(name, content):
        file = folder / name
        file.write_bytes(content)
        return file

    return write


def test_a_good_document_passes_and_says_who_signed(put, trust):
    (told,) = answer("verify", put("a.xml", SIGNED), *trust)
    assert told.keys() >= KEYS
    assert (told["indication"], told["sub_indication"], told["reason"]) == ("TOTAL-PASSED", "", "")
    assert (told["revocation"], told["judged_at"]) == ("off", "2026-06-01T12:00:00Z")
    (signature,) = told["signatures"]
    assert signature["identity"]["pesel"] == JAN.pesel
    assert "TOTAL-PASSED" in run("verify", put("a.xml", SIGNED), *trust).stdout


@pytest.mark.parametrize(
    ("content", "indication", "code"),
    [
        (CHANGED, "TOTAL-FAILED", "verify.digest-mismatch"),
        (b"<broken", "TOTAL-FAILED", "parse.malformed"),
        (FORM, "TOTAL-FAILED", ""),
    ],
    ids=["changed", "malformed", "unsigned"],
)
def test_a_bad_document_fails_with_a_reason(put, trust, content, indication, code):
    file = put("a.xml", content)
    (told,) = answer("verify", file, *trust, status=1)
    assert told.keys() >= KEYS
    assert (told["indication"], told["code"]) == (indication, code)
    assert told["reason"]
    assert told["reason"] in run("verify", file, *trust, status=1).stdout


def test_in_words_each_signature_says_why_it_does_not_hold_and_a_counter_signature_below_its_own(put, trust):
    document = countersign(SIGNED, PKI.other_person, AT)
    head, mark, tail = document.partition(b"<xades:CounterSignature>")
    value = tail.index(b"</ds:SignatureValue>") - 8
    broken = (
        head + mark + tail[:value] + (b"AAAA" if tail[value : value + 4] != b"AAAA" else b"BBBB") + tail[value + 4 :]
    )

    def told(file, status):
        """The lines about signatures: how far each is set in, and its words."""
        lines = run("verify", file, *trust, status=status).stdout.splitlines()
        first = next(number for number, line in enumerate(lines) if line.startswith("  signature "))
        return [(len(line) - len(line.lstrip()), line.split()) for line in lines[first:]]

    lines = told(put("a.xml", document), 0)
    where = next(number for number, (_, words) in enumerate(lines) if words[0] == "counter-signature")
    assert [indent for indent, _ in lines[: where + 1]] == [2] + [4] * where
    assert {indent for indent, _ in lines[where + 1 :]} == {6}
    assert len(lines) > where + 1
    assert not any(word.startswith("verify.") for _, words in lines for word in words)
    ((_, counter),) = [line for line in told(put("b.xml", broken), 0) if line[1][0] == "counter-signature"]
    assert counter[2:6] == ["TOTAL-FAILED", "SIG_CRYPTO_FAILURE,", "verify.signature-value-mismatch", "at"]
    ((_, signature),) = [line for line in told(put("c.xml", CHANGED), 1) if line[1][0] == "signature"]
    assert signature[2:6] == ["TOTAL-FAILED", "HASH_FAILURE,", "verify.digest-mismatch", "at"]


def test_a_signer_whom_nobody_trusts_is_neither_yes_nor_no(put):
    done = run("verify", put("a.xml", SIGNED), "--at", "2026-06-01", "--jsonl", status=2)
    assert '"INDETERMINATE"' in done.stdout
    assert "--trust" in done.stderr  # nobody was named: that is said


def test_without_a_path_mathematics_and_coverage_are_judged_alone(put):
    (told,) = answer("verify", put("a.xml", SIGNED), "--no-path")
    assert (told["indication"], told["level"]) == ("TOTAL-PASSED", "none")
    assert answer("verify", put("b.xml", CHANGED), "--no-path", status=1)[0]["indication"] == "TOTAL-FAILED"


def test_the_moment_decides_whether_a_certificate_was_valid(put, trust):
    (told,) = answer("verify", put("a.xml", SIGNED), *trust[:2], "--at", "2030-01-01", status=2)
    assert told["code"] == "verify.certificate-expired"
    assert told["judged_at"] == "2030-01-01T00:00:00Z"


def test_required_proof_of_revocation_that_is_not_there_is_neither_yes_nor_no(put, trust):
    file = put("a.xml", SIGNED)
    (told,) = answer("verify", file, *trust, "--revocation", "require", status=2)
    assert (told["indication"], told["sub_indication"]) == ("INDETERMINATE", "TRY_LATER")
    assert (told["code"], told["revocation"]) == ("verify.revocation-unknown", "require")
    (failed,) = answer("verify", put("b.xml", CHANGED), *trust, "--revocation", "require", status=1)
    assert (failed["code"], failed["revocation"]) == ("verify.digest-mismatch", "require")
    (broken,) = answer("verify", put("c.xml", b"<"), *trust, "--revocation", "require", status=1)
    assert broken["revocation"] == "require"


@pytest.fixture
def evidence(tmp_path):
    def write(name, octets):
        file = tmp_path / name
        file.write_bytes(octets)
        return file

    return write


def a_list_of(revoked=None, **about):
    return a_list(PKI.qualified_ca.credential, revoked, **{"begin": AT - HOUR, "end": AT + DAY, **about})


def test_a_list_that_is_brought_along_proves_that_a_certificate_is_good(put, trust, evidence):
    file = put("a.xml", SIGNED)
    crl = evidence("ca.crl", a_list_of())
    (told,) = answer("verify", file, *trust, "--crl", crl)
    assert (told["indication"], told["revocation"]) == ("TOTAL-PASSED", "require")
    (known,) = told["signatures"][0]["revocation"]
    assert (known["status"], known["source"], known["url"]) == ("good", "crl", str(crl))
    assert known["this_update"] == "2026-06-01T11:00:00Z"
    assert "revocation: " in run("verify", file, *trust, "--crl", crl).stdout


def test_an_answer_that_is_brought_along_tells_of_a_revocation(put, trust, evidence):
    octets = an_answer(
        PKI.person,
        PKI.qualified_ca.credential,
        status="revoked",
        since=AT - DAY,
        why="key_compromise",
        begin=AT - HOUR,
        end=AT + DAY,
    )
    file = put("a.xml", SIGNED)
    (told,) = answer("verify", file, *trust, "--ocsp", evidence("answer.der", octets), status=1)
    assert (told["indication"], told["sub_indication"], told["code"]) == ("TOTAL-FAILED", "REVOKED", "verify.revoked")
    (known,) = told["signatures"][0]["revocation"]
    assert (known["revoked_at"], known["reason"]) == ("2026-05-31T12:00:00Z", "keyCompromise")
    assert "revoked since" in run("verify", file, *trust, "--ocsp", evidence("answer.der", octets), status=1).stdout


@pytest.fixture
def configured(tmp_path):
    """A configuration that asks about revocation, and takes no SigningTime that is older than a day."""
    (tmp_path / "ca.pem").write_bytes(PKI.qualified_ca.credential.pem)
    (tmp_path / "tsa.pem").write_bytes(PKI.seal_ca.credential.pem)
    file = tmp_path / "goniec.toml"

    def write(revocation="require"):
        file.write_text(
            '[seal]\nkind = "pem"\nfile = "seal.pem"\n'
            f'[trust]\nrevocation = "{revocation}"\nsigning_time_age = 86400\nfreshness = 604800\n'
            'timestamp_authorities = ["tsa.pem"]\nhosts = ["crl.example"]\n'
            '[[trust.anchors]]\nname = "q"\nfile = "ca.pem"\nlevel = "qualified"\n'
        )
        return ["-c", file, "--at", "2026-06-01T12:00:00Z"]

    return write


def test_a_configuration_says_how_to_judge_and_not_only_whom_to_believe(put, configured, evidence):
    file = put("a.xml", SIGNED)
    (told,) = answer("verify", file, *configured(), status=2)
    assert (told["code"], told["revocation"], told["level"]) == ("verify.revocation-unknown", "require", "qualified")
    crl = evidence("ca.crl", a_list_of())
    (proven,) = answer("verify", file, *configured(), "--crl", crl)
    assert (proven["indication"], proven["level"]) == ("TOTAL-PASSED", "qualified")
    (off,) = answer("verify", file, *configured(), "--revocation", "off")
    assert (off["indication"], off["revocation"]) == ("TOTAL-PASSED", "off")
    old = evidence("old.crl", a_list_of(begin=AT - 3 * DAY))  # not for a day and a half, but for a week
    assert answer("verify", file, *configured(), "--crl", old)[0]["indication"] == "TOTAL-PASSED"


def test_what_is_said_on_the_command_line_or_brought_along_comes_before_the_configuration(put, configured, evidence):
    file = put("a.xml", SIGNED)
    assert answer("verify", file, *configured("off"))[0]["revocation"] == "off"
    (asked,) = answer("verify", file, *configured("off"), "--revocation", "require", status=2)
    assert asked["code"] == "verify.revocation-unknown"
    crl = evidence("ca.crl", a_list_of())
    assert answer("verify", file, *configured("off"), "--crl", crl)[0]["revocation"] == "require"
    (alone,) = answer("verify", file, *configured(), "--no-path")  # without a path nobody can be asked about one
    assert (alone["indication"], alone["revocation"]) == ("TOTAL-PASSED", "off")


def test_a_configuration_says_how_old_a_signing_time_may_be(put, configured):
    file = put("a.xml", sign(FORM, PKI.person, AT - 2 * DAY, QUALIFIED))
    (told,) = answer("verify", file, *configured("off"), status=2)
    assert told["code"] == "verify.signing-time-old"
    assert answer("verify", file, "--trust", configured()[1].with_name("ca.pem"), *configured()[2:])


def test_a_stamped_document_is_judged_until_nothing_more_is_asked_for(put, configured, evidence):
    """Of whom the evidence must speak, the unit's is known first, and then whose signature it has stamped."""
    tsa = Tsa.of(PKI.seal_ca, AT - DAY / 2)
    person = PKI.personal(PKI.qualified_ca, JAN, not_before=AT - 9 * DAY, not_after=AT - HOUR)
    file = put("a.xml", stamp(sign(FORM, person, AT - DAY / 2, QUALIFIED), tsa.token, how=""))
    brought = [
        *("--crl", evidence("tsa.crl", a_list(PKI.seal_ca.credential, begin=AT - HOUR, end=AT + DAY))),
        *("--crl", evidence("ca.crl", a_list_of(begin=AT - 2 * HOUR))),
    ]
    (told,) = answer("verify", file, *configured(), *brought)
    assert (told["indication"], told["signatures"][0]["judged_at"]) == ("TOTAL-PASSED", "2026-06-01T00:00:00Z")
    assert answer("verify", file, *configured(), *brought[:2], status=2)[0]["code"] == "verify.revocation-unknown"


def test_rounds_of_judging_end_though_something_new_is_always_asked():
    class Restless:
        known = None
        asked = 0

    def examine(_root, known):
        Restless.asked += 1
        return Restless.asked

    assert verify._examined(Restless, examine, None) == verify._ROUNDS + 1


def test_a_list_of_today_proves_something_of_a_document_of_last_year(put, trust, evidence):
    """A revocation after the moment that is asked for does not count, and a list made later tells of both."""
    now = datetime.now(UTC).replace(microsecond=0)
    late = a_list_of({serial(PKI.person): (AT + DAY, "superseded")}, begin=now - HOUR, end=now + DAY)
    (told,) = answer("verify", put("a.xml", SIGNED), *trust, "--crl", evidence("late.crl", late))
    assert told["signatures"][0]["revocation"][0]["revoked_at"] == "2026-06-02T12:00:00Z"
    early = a_list_of({serial(PKI.person): (AT - DAY, "superseded")}, begin=now - HOUR, end=now + DAY)
    (told,) = answer("verify", put("a.xml", SIGNED), *trust, "--crl", evidence("early.crl", early), status=1)
    assert told["code"] == "verify.revoked"


def test_evidence_that_proves_nothing_is_said_to(put, trust, evidence):
    done = run("verify", put("a.xml", SIGNED), *trust, "--crl", evidence("no.crl", b"<html/>"), status=2)
    assert "verify.revocation-unknown" in done.stdout
    assert "--crl" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["--revocation", "require", "--no-path"],
        ["--crl", __file__, "--no-path"],
        ["--crl", __file__, "--revocation", "off"],
        ["--key", __file__],
        ["--profile", "none"],
        ["--at", "soon"],
    ],
)
def test_options_that_contradict_one_another_are_wrong_use(put, words):
    assert "Usage:" in run("verify", put("a.xml", SIGNED), *words, status=2).stderr


def test_a_folder_gives_a_line_for_each_file_below_it_and_its_worst_status(put, trust, tmp_path):
    put("a.xml", SIGNED)
    put("b.xml", CHANGED)
    deeper = tmp_path / "in" / "deeper"
    deeper.mkdir()
    (deeper / "c.xml").write_bytes(sign(FORM, PKI.stranger, AT))
    told = lines("verify", tmp_path / "in", *trust, status=1)
    assert [(Path(one["file"]).name, one["indication"]) for one in told] == [
        ("a.xml", "TOTAL-PASSED"),
        ("b.xml", "TOTAL-FAILED"),
        ("c.xml", "INDETERMINATE"),
    ]
    (tmp_path / "in" / "b.xml").unlink()
    assert len(answer("verify", tmp_path / "in", *trust, status=2)) == 2


def test_a_plain_signature_is_for_the_basic_profile_alone(put, trust):
    file = put("a.xml", sign(FORM, PKI.person, AT, PLAIN, certificates="own"))
    (told,) = answer("verify", file, *trust, status=2)
    assert told["code"] == "verify.xades-missing"
    (told,) = answer("verify", file, *trust, "--profile", "basic")
    assert told["indication"] == "TOTAL-PASSED"


def test_a_key_is_for_the_basic_profile_alone(put, tmp_path):
    file = put("a.xml", sign(FORM, PKI.person, AT, PLAIN, certificates="none"))
    key = tmp_path / "key.pem"
    key.write_bytes(PKI.person.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    done = run("verify", file, "--profile", "basic", "--key", key, "--json")
    assert '"TOTAL-PASSED"' in done.stdout
    assert done.stderr == ""
    assert answer("verify", file, "--no-path", status=2)[0]["code"] == "verify.xades-missing"
    other = put("b.xml", CHANGED)
    assert answer("verify", other, "--profile", "basic", "--key", key, status=1)[0]["indication"] == "TOTAL-FAILED"


def test_podpis_zaufany_is_believed_only_below_the_platforms_anchor(put, tmp_path):
    file = put("a.xml", sign_on_platform(FORM, PKI.platform, JAN, AT))
    ca = tmp_path / "platform.pem"
    ca.write_bytes(PKI.platform_ca.credential.pem)
    (told,) = answer("verify", file, "--platform", ca, "--at", "2026-06-02")
    assert (told["level"], told["signatures"][0]["identity"]["source"]) == ("trusted-profile", "claimed-role")
    (told,) = answer("verify", file, "--trust", ca, "--at", "2026-06-02")
    assert (told["level"], told["signatures"][0]["identity"]["source"]) == ("local", "certificate")


@pytest.mark.parametrize("option", ["--trust", "--platform"])
@pytest.mark.parametrize("pem", [b"", b"no PEM", PKI.person.key_pem, b"-----BEGIN CERTIFICATE-----\nA\n"])
def test_a_wrong_pem_is_named(put, tmp_path, option, pem):
    wrong = tmp_path / "wrong.pem"
    wrong.write_bytes(pem)
    done = run("verify", put("a.xml", SIGNED), option, wrong, status=2)
    assert str(wrong) in done.stderr
    assert done.stdout == ""


def test_a_wrong_key_is_named(put, tmp_path):
    wrong = tmp_path / "wrong.pem"
    wrong.write_bytes(b"no key")
    assert str(wrong) in run("verify", put("a.xml", SIGNED), "--profile", "basic", "--key", wrong, status=2).stderr


def test_a_folder_without_files_is_no_yes(tmp_path):
    assert "no files" in run("verify", tmp_path, status=2).stderr


def test_a_file_that_cannot_be_read_is_told_and_the_others_are_answered(put, trust, tmp_path):
    put("a.xml", SIGNED)
    (tmp_path / "in" / "gone.xml").symlink_to(tmp_path / "nowhere")
    done = run("verify", tmp_path / "in", *trust, "--jsonl", status=2)
    assert len(done.stdout.splitlines()) == 1
    assert "gone.xml: No such file or directory" in done.stderr


def test_a_name_that_is_not_utf8_is_told_so_that_it_can_be_found_again(put, trust, tmp_path):
    name = os.fsdecode(b"za\xbf\xf3\xb3\xe6.xml")
    put(name, SIGNED)
    (told,) = lines("verify", tmp_path / "in", *trust)
    assert os.fsencode(Path(told["file"]).name) == b"za\xbf\xf3\xb3\xe6.xml"
    assert "za\\udcbf" in run("verify", tmp_path / "in", *trust).stdout


if SAMPLES.is_dir():

    @pytest.mark.parametrize("sample", sorted(SAMPLES.glob("*.xml")), ids=lambda it: it.stem)
    def test_a_redacted_sample_of_the_signing_service_has_failed_and_says_why(sample):
        (told,) = answer("verify", sample, status=1)
        assert told["indication"] == "TOTAL-FAILED"
        assert told["reason"]
        assert told["signatures"][0]["shape"] == "enveloped-xpath"
