"""The example configuration shows every setting with its true default, and is one that the broker could run with."""

from __future__ import annotations

import re
import shutil
import tomllib
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr

from adapters import channels, offices, seals, stores
from adapters.ops.settings import OpsSettings
from adapters.testkit.pki import Pki
from config import settings, trust_settings
from config.bootstrap import parts
from config.deadlines import DeadlineSettings
from config.pressure import PressureSettings
from config.retention import RetentionRule, RetentionSettings

EXAMPLE = Path(settings.__file__).parent / "example"
TEXT = (EXAMPLE / "goniec.toml").read_text(encoding="utf-8")
MODELS: dict[str, type[BaseModel]] = {
    "settings": settings.Settings,
    "stamping": settings.Stamping,
    "journal": settings.Journal,
    "trust": settings.Trust,
    "trusted lists": trust_settings.TrustedLists,
    "anchor": trust_settings.Anchor,
    "deadlines": DeadlineSettings,
    "limits": settings.Caps,
    "routing": settings.Routing,
    "delivery": settings.Delivery,
    "nodes": settings.NodesSection,
    "partner": settings.PartnerEntry,
    "issuer": settings.Issuer,
    "pressure": PressureSettings,
    "ops": OpsSettings,
    "retention": RetentionSettings,
    "retention rule": RetentionRule,
    "log": settings.Log,
    "office": settings.OfficeEntry,
    **{
        f"{name} {kind}": it.settings
        for name, kinds in {
            "store": stores.KINDS,
            "seal": seals.KINDS,
            "channel": channels.KINDS,
            "office": offices.KINDS,
        }.items()
        for kind, it in kinds.items()
    },
}
TABLES = {"anchors": "[[trust.anchors]]", "rules": "[[retention.rules]]"}  # settings that are tables themselves
SHOWN = re.findall(r"^(?:# )?([a-z_]+) = (.+?)(?:[ \t]+#.*)?$", TEXT, re.MULTILINE)


def plain(default):
    """A default as the file would write it."""
    if isinstance(default, timedelta):
        return default.total_seconds()
    if isinstance(default, Enum):
        return default.value
    if isinstance(default, Path):
        return str(default)
    if isinstance(default, SecretStr):
        return default.get_secret_value()
    return sorted(default) if isinstance(default, tuple | frozenset) else default


@pytest.mark.parametrize("model", MODELS)
def test_every_setting_is_shown_and_a_default_is_the_true_one(model):
    shown = {}
    for key, value in SHOWN:
        shown.setdefault(key, []).append(tomllib.loads(f"it = {value}")["it"])
    for name, field in MODELS[model].model_fields.items():
        default = field.get_default(call_default_factory=True)
        table = isinstance(default, BaseModel | dict) or name in {"seal", "folder", "anchors", "issuer"}
        if (model == "settings" and table) or isinstance(default, BaseModel):
            continue
        if name == "deadlines" or name in {"relay", "delivery", "retrieval"}:
            assert f"{name} = {{" in TEXT  # what is in it is derived
            continue
        if name in TABLES:
            assert TABLES[name] in TEXT
            continue
        assert name in shown, f"{name} of {model} is not in the example"
        if not field.is_required() and default is not None:
            assert plain(default) in shown[name], f"{name} of {model}: {plain(default)!r} is not shown"


def test_the_broker_could_run_with_it(tmp_path):
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    Pki(at=datetime.now(UTC), keys="ec-256", cas="ec-256").write(tmp_path / "pki")
    made = parts(settings.load(tmp_path / "goniec.toml"))
    assert len(made.offices) == len(made.table().offices)
    assert set(made.channels) == {"soap"}
