"""`goniec route`: where a document would go, and why there."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import click

from config.cli.offline import at, envelope, moment
from config.cli.say import as_json, complain, configuration, end, say_facts, say_json, say_table, word


@click.command("route")
@configuration
@as_json
@at
@word("--box", default="", help="The box that the envelope names.")
@word("--ade", default="", help="The e-delivery address that the envelope names.")
@word("--teryt", default="", help="The territory that the envelope names.")
@click.option("--explain", "explaining", is_flag=True, help="Also say why the other rows did not match.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def command(
    config: Path, as_json: bool, at: datetime | None, box: str, ade: str, teryt: str, explaining: bool, file: Path
) -> None:
    """Say where FILE would go by the routing table, and which row says so.

    Signatures are not judged: `goniec verify` does that.  Exit status 0 if it would go somewhere, 1 if nowhere, 2 if
    the configuration cannot be read.
    """
    from broker.errors import Rejection
    from broker.model import Address
    from broker.parse import Parse
    from broker.texts import TEXTS
    from broker.texts import explain as reason
    from broker.validate import Validate
    from broker.verify import TrustSnapshot, Verify
    from config.settings import load
    from config.sources import limits_of, load_catalogue, load_routing
    from routing.explain import explain
    from routing.route import question

    settings = load(config)
    limits, table = limits_of(settings), load_routing(settings)
    catalogue = load_catalogue(tuple(settings.path(folder) for folder in settings.forms))
    asked = envelope(file, file.read_bytes(), moment(at), Address(box=box, ade=ade, teryt=teryt))
    try:
        valid = Validate(catalogue=catalogue)(Parse(limits=limits)(asked))
    except Rejection as no:
        if not as_json:
            raise
        say_json({"refusal": no.code, "place": no.place, "reason": reason(no)})
        end(False)
    answer = explain(table, question(Verify(trust=TrustSnapshot)(valid), limits))
    if as_json:
        told = asdict(answer)
        say_json(told if explaining else {key: value for key, value in told.items() if key != "findings"})
        end(not answer.refusal)
    if answer.refusal:
        complain(f"{answer.refusal}: {answer.reason}")
    say_facts(
        {
            "form": answer.form,
            "row": answer.row,
            "box": answer.box,
            "office": f"{answer.office} ({answer.office_name})" if answer.office else "",
            "notes": ", ".join(answer.notes),
        }
    )
    if explaining:
        click.echo()
        say_table(
            ("row", "line", "leads to", "office", "because"),
            [(one.row, str(one.line), one.box, one.office, TEXTS[one.reason].en) for one in answer.near],
            none="no row is about these keys",
        )
        click.echo(f"{len(answer.findings) - len(answer.near)} more rows are about other keys; --json names them.")
    end(not answer.refusal)
