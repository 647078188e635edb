"""`goniec check`: whether the broker could run with this configuration; every reason why not, at once."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from config.cli.say import NO, YES, as_json, configuration, end, say, say_json, with_bar


@click.command("check")
@configuration
@as_json
@click.option("--examples", is_flag=True, help="Also hold every form's schema against its examples (takes a while).")
def command(config: Path, as_json: bool, examples: bool) -> None:
    """Check settings, forms, anchors, routing, seal, store, channels and offices, without opening a connection.

    But for the store, if it is there: its layout, its encryption keys if it has any, and the offices for which
    documents still wait are held against the configuration: such an office must not be taken out of it.  Files of
    keys and passwords that others can read, and passwords in the configuration itself, are warnings, in production
    problems.  Warnings also tell what keeps a partner from sending: a certificate that does not count now or that TLS
    refuses, a box or form of nobody.

    Exit status 0 if the broker could run with it, 1 if not, 2 if there is no such file.  Warnings do not count.
    """
    from broker.errors import ConfigError, Unavailable
    from config import clock
    from config.bootstrap import parts
    from config.doubts import (
        about_caches,
        about_lists,
        about_missing_offices,
        about_partners,
        about_retention,
        about_seals,
        about_ways_in,
        about_ways_out,
    )
    from config.exposure import exposed
    from config.partner_certificates import about_certificates
    from config.settings import load, load_sound
    from config.sources import examine_forms
    from config.upkeep import examine_store

    if not config.is_file():
        load(config)  # says why not
    problems: list[str] = []
    warnings: list[str] = []
    facts: dict[str, int] = {}
    try:
        settings, problems = load_sound(config)
        if settings is not None:
            (problems if settings.environment == "production" else warnings).extend(exposed(settings))
            warnings += [*about_ways_out(settings), *about_lists(settings), *about_caches(settings)]
            made = parts(settings)
            warnings += made.table().warnings
            warnings += about_partners(made.partners().all, made.table(), made.catalogue)
            warnings += about_certificates(settings, clock.now())
            warnings += about_retention(settings, made.catalogue)
            warnings += about_ways_in(settings, made.partners().all, clock.now())
            warnings += about_seals(settings, made.seal.chain, clock.now())
            problems += made.seal.lost
            warnings += made.seal.doubts()
            warnings += [f"seal: {made.seal.away}: not tried"] if made.seal.away and not made.seal.lost else []
            reached = set(made.table().offices)
            warnings += [f"offices.{it}: no box leads to it" for it in sorted(settings.offices) if it not in reached]
            facts = {
                "forms": len(made.catalogue.forms),
                "anchors": len(made.trust().anchors),
                "boxes": len(made.table().boxes),
                "rows": len(made.table().rows),
                "channels": len(made.channels),
                "offices": len(made.offices),
            }
            try:
                problems += about_missing_offices(settings.offices, examine_store(settings))
            except Unavailable as away:
                warnings.append(f"store: it could not be asked for its layout, its keys and what waits: {away.reason}")
            if examples:
                each = partial(with_bar, label="forms", quiet=True)
                problems += examine_forms(tuple(settings.path(folder) for folder in settings.forms), each)
    except ConfigError as wrong:
        problems += _news(problems, wrong.problems)
    if as_json:
        say_json({"ok": not problems, "problems": problems, "warnings": warnings, **facts})
        end(not problems)
    for problem in problems:
        say(f"problem  {problem}", NO)
    for warning in warnings:
        say(f"warning  {warning}")
    if not problems:
        say(f"ok  {', '.join(f'{count} {name}' for name, count in facts.items())}", YES)
    end(not problems)


def _news(told: list[str], problems: tuple[str, ...]) -> list[str]:
    """Return the problems that do not merely follow from a setting which was told already."""
    settings = tuple(problem.partition(":")[0] for problem in told)
    return [
        problem
        for problem in problems
        if not any(problem.startswith((f"{setting}:", f"{setting}.")) for setting in settings)
    ]
