"""`goniec check`: everything that is wrong with a configuration, in one look."""

from __future__ import annotations

import re
import shutil
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from adapters.stores import SqlStore
from adapters.testkit.certificates import distinguished, key
from adapters.testkit.pki import Pki
from adapters.testkit.stores.values import LEASE, REFUSED, Hands, kept, limits
from broker.model import OfficeId
from broker.partner import fingerprint
from config import settings
from tests.commands import answer, run

EXAMPLE = Path(settings.__file__).parent / "example"
PKI = Pki(at=datetime.now(UTC), keys="ec-256", cas="ec-256")


@pytest.fixture
def place(tmp_path):
    """The example configuration with keys of its own."""
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    PKI.write(tmp_path / "pki")
    return tmp_path


def edited(place, *changes):
    file = place / "goniec.toml"
    text = file.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    file.write_text(text, encoding="utf-8")
    return file


def test_a_good_configuration_is_a_yes_with_what_there_is(place):
    told = answer("check", "-c", place / "goniec.toml")
    assert (told["ok"], told["problems"], told["forms"], told["offices"]) == (True, [], 7, 54)
    assert run("check", "-c", place / "goniec.toml").stdout.startswith("ok  ")


def test_the_examples_of_every_form_are_held_against_its_schema(place):
    assert answer("check", "-c", place / "goniec.toml", "--examples")["ok"]
    broken = place / "own" / "forms" / "x" / "1"
    broken.mkdir(parents=True)
    (broken / "form.toml").write_bytes(b"name = 1")
    told = answer("check", "-c", edited(place, ("# forms = []", 'forms = ["own"]')), "--examples", status=1)
    assert any("form.toml" in problem for problem in told["problems"])


def test_five_mistakes_in_five_places_are_told_at_once(place):
    (place / "pki" / "local-ca.pem").write_bytes(b"nonsense")
    boxes = (place / "boxes.csv").read_text(encoding="utf-8")
    (place / "boxes.csv").write_text(boxes + "no-box;nobody;Nobody;;;;;;;;\n", encoding="utf-8")
    file = edited(
        place,
        ('# environment = "test"', 'environment = "hunter2"'),
        ("[delivery]", "[delivery]\ntreads = 1"),
        ('kind = "soap"', 'kind = "soup"'),
        ('file = "pki/seal.bundle.pem"', 'file = "pki/lost.pem"'),
    )
    told = answer("check", "-c", file, status=1)
    assert told["ok"] is False
    problems = "\n".join(told["problems"])
    for place_of_it in ("environment:", "delivery.treads:", "channels.", "lost.pem", "local-ca.pem", "no-box"):
        assert place_of_it in problems
    assert "hunter2" not in problems
    said = run("check", "-c", file, status=1).stdout
    assert said.count("problem  ") == len(told["problems"]) >= 6


def test_what_follows_from_a_mistake_is_not_told_as_another(place):
    told = answer("check", "-c", edited(place, ('kind = "soap"', 'kid = "soap"')), status=1)
    assert len(told["problems"]) == 1
    assert ".kind: " in told["problems"][0]


@pytest.mark.parametrize("text", ["", 'seal = 3\nchannels = "x"', '[seal]\nkind = "pem"\n[trust]\nanchors = [1, {}]'])
def test_no_configuration_makes_check_stumble(tmp_path, text):
    (tmp_path / "goniec.toml").write_text(text)
    assert answer("check", "-c", tmp_path / "goniec.toml", status=1)["problems"]


def test_a_mistake_in_the_environment_is_told_too(place, monkeypatch):
    monkeypatch.setenv("GONIEC_DELIVERY__THREADS", "none")
    assert "delivery.threads: " in run("check", "-c", place / "goniec.toml", status=1).stdout


def test_a_configuration_that_is_not_there_cannot_be_judged(tmp_path):
    done = run("check", "-c", tmp_path / "goniec.toml", "--json", status=2)
    assert (done.stdout, "No such file" in done.stderr) == ("", True)


def test_what_is_no_toml_is_a_problem(tmp_path):
    (tmp_path / "goniec.toml").write_text("[seal")
    assert "goniec.toml" in answer("check", "-c", tmp_path / "goniec.toml", status=1)["problems"][0]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('kind = "sql"', 'kind = "sqlite"', "store.kind: 'sqlite' is none of memory, sql"),
        ("# refusals_per_hour = 1000", "refusals = 1000", "store.refusals: there is no such setting"),
        ('# url = "sqlite:///goniec.sqlite"', 'url = "goniec.sqlite"', "store: the store's url cannot be read"),
    ],
)
def test_a_mistake_about_the_store_is_told_and_no_store_is_opened(place, old, new, problem):
    file = edited(place, (old, new))
    assert answer("check", "-c", file, status=1)["problems"] == [problem]
    assert problem in run("migrate", "-c", file, status=2).stderr
    assert not list(place.glob("*.sqlite*"))


def test_an_office_that_no_box_leads_to_is_told_and_is_no_fault(place):
    lonely = '[offices]\nlonely = { kind = "directory", folder = "out" }\n'
    (place / "out").mkdir()
    told = answer("check", "-c", edited(place, ("[offices]\n", lonely)))
    assert told["ok"]
    assert "offices.lonely: no box leads to it" in told["warnings"]


def test_the_deadlines_of_the_how_to_are_good_as_written(place):
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "deadlines.md").read_text(encoding="utf-8")
    (told,) = re.findall(r"^```\n(\[deadlines\].*?)^```", page, re.DOTALL | re.MULTILINE)
    own = 'gmina-cieszyn = { kind = "soap", url = "http://127.0.0.1:8090/dms/gmina-cieszyn" }\n'
    file = edited(place, ("[deadlines]", told), (own, ""))
    assert answer("check", "-c", file)["problems"] == []


SECURE = """
[channels.secure]
kind = "soap"
listen = "127.0.0.1:8443"
certificate = "pki/{server}.pem"
key = "pki/{key}.key"
proof = ["tls"]
"""
PARTNER = """
[partners.portal]
certificates = {certificates}
to = {to}
forms = {forms}
"""


def with_partner(place, *, server="server", key="server", certificates=("partner",), to=(), forms=()):
    files = [f"pki/{name}.pem" for name in certificates]
    tables = SECURE.format(server=server, key=key)
    tables += PARTNER.format(certificates=files, to=list(to), forms=list(forms))
    return edited(place, ("[channels.soap]", f"{tables}\n[channels.soap]"))


def test_a_partner_that_can_send_is_no_doubt(place):
    told = answer("check", "-c", with_partner(place, to=("/u390efc0tm/",), forms=("pytanie", "pytanie/1")))
    assert (told["ok"], told["warnings"]) == (True, [])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"certificates": ("expired",)}, "partners.portal.certificates: .*: the certificate expired on "),
        ({"certificates": ("partner", "not-yet-valid")}, "partners.portal.certificates: .* does not count before "),
        ({"certificates": ()}, "partners.portal: has neither certificates nor users"),
        ({"certificates": ()}, "channels.secure.proof: no partner under .partners. has a certificate"),
        ({"to": ("/gmina-cieszyn/",)}, "partners.portal.to: /gmina-cieszyn/: no such box"),
        ({"to": ("/u390efc0tm",)}, "partners.portal.to: /u390efc0tm: no such box"),
        ({"forms": ("pytamie", "pytanie/9")}, "partners.portal.forms: pytanie/9: no such form"),
    ],
)
def test_what_would_keep_a_partner_from_sending_is_a_warning(place, changes, words):
    told = answer("check", "-c", with_partner(place, **changes))
    assert told["ok"]
    assert [one for one in told["warnings"] if re.match(words, one)]


def test_in_production_check_names_every_way_in_that_believes_its_senders(place):
    queue = '[channels.queue]\nkind = "amqp"\nurl = "amqp://u@127.0.0.1/"\npassword_file = "it"\n'
    folder = '[channels.folder]\nkind = "directory"\nfolder = "in"\n'
    (place / "it").write_text("hunter2")
    (place / "it").chmod(0o600)
    file = edited(place, ("[channels.soap]", f"{queue}\n{folder}\n[channels.soap]"))
    assert answer("check", "-c", file)["warnings"] == []
    edited(place, ('# environment = "test"', 'environment = "production"'))
    (problem,) = answer("check", "-c", file, status=1)["problems"]
    assert problem.startswith('channels.queue: proof: must be ["amqp-user"] in production')
    edited(place, ('password_file = "it"', 'password_file = "it"\nproof = ["amqp-user"]'))
    edited(place, ("[trust]", '[partners.portal]\nusers = ["portal"]\n\n[trust]'))
    warnings = answer("check", "-c", file)["warnings"]
    assert sorted(warning.partition(": ")[0] for warning in warnings) == [
        "channels.folder.sender",
        "channels.soap.proof",
    ]
    edited(place, ('folder = "in"', 'folder = "in"\nsender = "portal"'))
    assert [one.partition(": ")[0] for one in answer("check", "-c", file)["warnings"]] == ["channels.soap.proof"]


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://dms.example/odbiorca", True),
        ("https://dms.example/odbiorca", False),
        ("http://[::1]:8090/odbiorca", False),
        ("http://192.0.2.1/odbiorca", True),
    ],
)
def test_an_office_that_gets_documents_unencrypted_on_another_machine_is_a_warning(place, url, warned):
    office = 'gmina-cieszyn = { kind = "soap", url = "http://127.0.0.1:8090/dms/gmina-cieszyn" }'
    file = edited(place, (office, office.replace("http://127.0.0.1:8090/dms/gmina-cieszyn", url)))
    said = answer("check", "-c", file)["warnings"]
    assert [one.partition(": ")[0] for one in said] == ["offices.gmina-cieszyn.url"] * warned


def test_a_certificate_of_the_servers_own_that_has_expired_is_a_warning(place):
    said = run("check", "-c", with_partner(place, server="expired", key="expired")).stdout
    assert "warning  channels.secure.certificate: the certificate expired on " in said


def test_a_key_of_another_certificate_is_named_in_words(place):
    told = answer("check", "-c", with_partner(place, key="partner"), status=1)
    (problem,) = told["problems"]
    assert problem.startswith("channels.secure: certificate, key: ")
    assert problem.endswith("the key is not the certificate's")


def test_trusted_lists_that_are_set_up_without_signers_are_a_warning(place):
    told = answer("check", "-c", edited(place, ("[trust.lists]", '[trust.lists]\nterritories = ["PL"]')))
    assert told["warnings"] == ["trust.lists: without signers no trusted list is read"]


@pytest.mark.parametrize("setting", ["trust.cache", "trust.lists.cache"])
@pytest.mark.parametrize("folder", ["pki", "new"])
def test_a_cache_in_a_folder_that_is_there_for_something_is_a_warning(place, setting, folder):
    lists = '[trust.lists]\nsigners = ["pki/qualified-ca.pem"]'
    asked = {
        "trust.cache": ("[trust]\n", f'[trust]\ncache = "{folder}"\nrevocation = "require"\nhosts = ["crl.example"]\n'),
        "trust.lists.cache": ("[trust.lists]", f'{lists}\ncache = "{folder}"'),
    }
    (place / "new").mkdir()
    for own in ("trusted-lists.zip", f"{'0' * 64}.evidence") if folder == "pki" else ():
        (place / "pki" / own).touch()
    told = answer("check", "-c", edited(place, asked[setting]))["warnings"]
    said = [it for it in told if it.startswith(f"{setting}: ")]
    assert len(said) == (folder == "pki")
    assert all("holds what is none of the cache's (" in it for it in said)


def test_a_seal_that_the_journals_check_would_not_believe_is_a_warning(place):
    own, before = PKI.seal.certificate, PKI.local_ca.credential.pem
    pinned = place / "pki" / "seals.pem"
    file = edited(place, ('ca = ["pki/seal-ca.pem"]', 'ca = ["pki/seals.pem"]'))
    pinned.write_bytes(before)
    (warning,) = answer("check", "-c", file)["warnings"]
    assert warning.startswith(f"journal.ca: does not believe the seal that is in use, SHA-256 {fingerprint(own)}")
    pinned.write_bytes(before + own.public_bytes(Encoding.PEM))
    assert answer("check", "-c", file)["warnings"] == []


def test_a_file_that_is_not_there_is_told_with_the_setting_that_names_it(place):
    file = edited(
        place,
        ("# timestamp_authorities = []", 'timestamp_authorities = ["lost-1.pem"]  #'),
        ("# intermediates = []", 'intermediates = ["lost-2.pem"]  #'),
        ("[trust.lists]", '[trust.lists]\nsigners = ["lost-3.pem"]'),
        ("# [stamping]", '[stamping]\nurl = "http://tsa.example/"\nca = ["lost-4.pem"]\n#'),
    )
    told = answer("check", "-c", file, status=1)
    starts = sorted(problem.partition("/")[0] for problem in told["problems"])
    assert starts == ["stamping.ca: ", "trust.intermediates: ", "trust.lists: ", "trust.timestamp_authorities: "]


def test_an_office_for_which_documents_wait_must_not_be_taken_out(place):
    config = ["-c", place / "goniec.toml"]
    assert answer("check", *config)["ok"]
    assert not (place / "goniec.sqlite").exists()  # it asks a store that is there, and makes none
    with closing(SqlStore(f"sqlite:///{place / 'goniec.sqlite'}", clock=Hands())) as store:
        store.enrol([limits(OfficeId("gone")), limits(OfficeId("marszalek"))])
        kept(store, office=OfficeId("gone")), kept(store, office=OfficeId("marszalek"))
        told = answer("check", *config, status=1)
        (problem,) = told["problems"]
        assert problem.startswith("offices.gone: is not configured, and 1 of its deliveries are not final")
        (claim,) = [it for it in store.claim(LEASE, 9) if it.delivery.office == "gone"]
        store.record(claim, REFUSED)
        assert not answer("check", *config, status=1)["ok"]
        store.quarantine.redirect([claim.delivery.id], OfficeId("marszalek"), "theirs now")
    assert answer("check", *config)["ok"]


def test_a_warning_as_late_as_its_expiry_is_a_problem(place):
    file = edited(place, ("[deadlines]", "[deadlines]\nrelay = { warn = 10, expire = 10 }"))
    assert answer("check", "-c", file, status=1)["problems"] == [
        "deadlines.relay: the warning must come before the expiry"
    ]


def test_a_seal_that_is_lost_is_a_problem_and_one_that_ends_soon_a_warning(place):
    file = place / "pki" / "seal.bundle.pem"
    kept = file.read_bytes()
    file.unlink()
    told = answer("check", "-c", place / "goniec.toml", status=1)
    assert told["problems"] == [f"seal: {file}: No such file or directory"]
    assert not [one for one in told["warnings"] if one.startswith("seal")]
    now = datetime.now(UTC)
    for name, days, said in (("Ended", -1, "expired on"), ("Ending", 20, "the certificate ends on")):
        when = {"not_before": now - timedelta(days=30), "not_after": now + timedelta(days=days)}
        one = PKI.seal_ca.issue(
            distinguished(common_name=name), key(name, "ec-256"), usage=("digital_signature",), **when
        )
        file.write_bytes(one.bundle + kept)
        file.chmod(0o600)
        told = answer("check", "-c", place / "goniec.toml", status=1 if days < 0 else 0)
        assert said in "".join(told["problems" if days < 0 else "warnings"])
    assert f"seal: {file}: holds two keys: the first counts" in told["warnings"]
