"""`goniec check`: whether the broker could run with this configuration; every reason why not, at once."""

from __future__ import annotations

from pathlib import Path

import click

from config.cli.say import as_json, configuration, end, say_json


@click.command("check")
@configuration
@as_json
@click.option("--examples", is_flag=True, help="Also hold every form's schema against its examples (takes a while).")
def command(config: Path, as_json: bool, examples: bool) -> None:
    """Check settings, forms, anchors, routing, seal, channels and offices, without opening a connection.

    Exit status 0 if the broker could run with it, 1 if not.  Warnings do not count.
    """
    from broker.errors import ConfigError
    from config.settings import load
    from config.sources import examine_forms

    problems: list[str] = []
    warnings: list[str] = []
    facts: dict[str, int] = {}
    try:
        from config.bootstrap import parts

        settings = load(config)
        made = parts(settings)
        warnings += made.table().warnings
        facts = {
            "forms": len(made.catalogue.forms),
            "anchors": len(made.trust().anchors),
            "boxes": len(made.table().boxes),
            "rows": len(made.table().rows),
            "channels": len(made.channels),
            "offices": len(made.offices),
        }
        if examples:
            problems += examine_forms(tuple(settings.path(folder) for folder in settings.forms))
    except ConfigError as wrong:
        problems += wrong.problems
    if as_json:
        say_json({"ok": not problems, "problems": problems, "warnings": warnings, **facts})
        end(not problems)
    for problem in problems:
        click.echo(f"problem  {problem}")
    for warning in warnings:
        click.echo(f"warning  {warning}")
    if not problems:
        click.echo(f"ok  {', '.join(f'{count} {name}' for name, count in facts.items())}")
    end(not problems)
