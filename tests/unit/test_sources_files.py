"""What is made from files: every file that is wrong is named, all of them at once."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from adapters.testkit.pki import Pki
from broker.errors import ConfigError
from broker.evidence import Level
from broker.parse import Limits
from config import packaged
from config.settings import load
from config.sources import limits_of, load_catalogue, load_routing, load_trust

PKI = Pki(at=datetime.now(UTC), keys="ec-256", cas="ec-256")


@pytest.fixture
def settings(tmp_path):
    def write(text):
        (tmp_path / "goniec.toml").write_text('[seal]\nkind = "pem"\n' + text)
        return load(tmp_path / "goniec.toml")

    return write


def test_anchors_carry_their_name_level_and_whether_they_seal_for_the_platform(settings, tmp_path):
    (tmp_path / "a.pem").write_bytes(PKI.platform_ca.credential.pem + PKI.qualified_ca.credential.pem)
    (tmp_path / "b.pem").write_bytes(PKI.local_ca.credential.pem)
    trust = load_trust(
        settings(
            '[trust]\nintermediates = ["b.pem"]\n[[trust.anchors]]\n'
            'name = "state"\nfile = "a.pem"\nlevel = "trusted-profile"\nplatform_seal = true\n'
        )
    )
    assert [(it.name, it.level, it.platform_seal) for it in trust.anchors] == [
        ("state", Level.TRUSTED_PROFILE, True)
    ] * 2
    assert trust.intermediates == (PKI.local_ca.credential.certificate,)
    assert trust.revocation == "off"


def test_every_file_of_trust_that_is_wrong_is_named_at_once(settings, tmp_path):
    (tmp_path / "bad.pem").write_bytes(b"nonsense")
    entry = '[[trust.anchors]]\nname = "x"\nlevel = "local"\nfile = "{}"\n'
    text = '[trust]\nintermediates = ["lost-too.pem"]\n' + entry.format("bad.pem") + entry.format("lost.pem")
    with pytest.raises(ConfigError) as wrong:
        load_trust(settings(text))
    told = wrong.value.problems
    assert len(told) == 3
    for problem, name in zip(told, ("bad.pem", "lost.pem", "lost-too.pem"), strict=True):
        assert str(tmp_path / name) in problem


def test_both_routing_tables_that_are_missing_are_named(settings):
    with pytest.raises(ConfigError) as wrong:
        load_routing(settings(""))
    assert len(wrong.value.problems) == 2


def test_caps_are_the_built_in_ones_but_for_those_that_are_set(settings):
    limits = limits_of(settings("[limits]\npayload = 1000\n"))
    assert (limits.payload, limits.depth) == (1000, Limits().depth)


def test_a_folder_of_forms_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match="nowhere: no such folder"):
        load_catalogue((tmp_path / "nowhere",))


def test_packaged_texts_are_found_by_their_path_and_a_missing_one_is_a_bug():
    assert b"targetNamespace" in packaged.text("receipts/upo.xsd")
    assert "receipts/upo.xsd" in packaged.schemas()
    with pytest.raises(FileNotFoundError):
        packaged.text("receipts/nothing.xsd")
