"""What `scripts/engines` does to the machine it runs on."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parent.parent.parent / "scripts"


@pytest.fixture
def debian():
    spec = importlib.util.spec_from_file_location("engines_debian", SCRIPTS / "debian.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_whoever_may_not_install_is_told_the_packages(debian, monkeypatch):
    monkeypatch.setattr(debian, "program", lambda _name: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SystemExit, match="apt-get install postgresql rabbitmq-server"):
        debian.install(["postgres", "rabbitmq"])


def test_services_are_forbidden_during_an_installation_and_only_then(debian, monkeypatch, tmp_path):
    policy = tmp_path / "policy-rc.d"
    monkeypatch.setattr(debian, "POLICY", policy)
    with debian.no_services():
        assert os.system(policy) >> 8 == 101
    assert not policy.exists()
    with pytest.raises(ZeroDivisionError), debian.no_services():
        raise ZeroDivisionError
    assert not policy.exists()


def test_a_policy_that_is_there_already_stays(debian, monkeypatch, tmp_path):
    policy = tmp_path / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 0\n")
    monkeypatch.setattr(debian, "POLICY", policy)
    with debian.no_services():
        assert policy.read_text() == "#!/bin/sh\nexit 0\n"
    assert policy.exists()


def test_the_newest_of_several_versions_is_taken(debian):
    names = ["/usr/lib/postgresql/9.6/bin/postgres", "/usr/lib/postgresql/15/bin/postgres"]
    assert max(names, key=debian._version) == names[1]


def test_the_script_needs_nothing_but_the_standard_library():
    for file in ("engines", "debian.py"):
        lines = (SCRIPTS / file).read_text().splitlines()
        modules = {line.split()[1].partition(".")[0] for line in lines if line.startswith(("import ", "from "))}
        assert modules <= {*sys.stdlib_module_names, "debian"}
