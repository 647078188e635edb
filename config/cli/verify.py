"""`goniec verify`: what the signatures of documents are worth, and why, without a running broker."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from config.cli.offline import at, files, found, jsonl, moment
from config.cli.say import CANNOT_TELL, NO, YES, as_json, say_json
from config.cli.say import moment as written

if TYPE_CHECKING:
    from broker.evidence import Report, SignatureReport
    from broker.verify import TrustSnapshot


@click.command("verify")
@as_json
@jsonl
@at
@click.option(
    "--trust", "pems", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Anchors, PEM."
)
@click.option(
    "--platform",
    "platforms",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Anchors of podpis zaufany, PEM: below them the person is the one in the ClaimedRole.",
)
@click.option(
    "-c",
    "--config",
    "config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take the anchors from a configuration.",
)
@click.option("--no-path", is_flag=True, help="Judge mathematics and coverage alone, not whom to trust.")
@click.option(
    "--revocation",
    type=click.Choice(["off", "require"]),
    default="off",
    show_default=True,
    help="Whether certificates need proof of not being revoked.",
)
@click.option(
    "--profile",
    type=click.Choice(["xades", "basic"]),
    default="xades",
    show_default=True,
    help="basic also takes a plain XMLDSig with an embedded certificate, or a key given by --key.",
)
@click.option(
    "--key",
    "keys",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A public key or certificate, PEM, for the basic profile.",
)
@files
def command(
    as_json: bool,
    jsonl: bool,
    at: datetime | None,
    pems: tuple[Path, ...],
    platforms: tuple[Path, ...],
    config: Path | None,
    no_path: bool,
    revocation: str,
    profile: str,
    keys: tuple[Path, ...],
    files: tuple[Path, ...],
) -> None:
    """Verify documents, or all files of a folder.

    Exit status 0 if every document is TOTAL-PASSED and signed, 1 if any failed, 2 if any is INDETERMINATE.
    """
    from broker.verify import examine

    if revocation == "require":
        raise click.UsageError("--revocation require: this version fetches no evidence of revocation yet; use off")
    if keys and profile != "basic":
        raise click.UsageError("--key goes with --profile basic")
    trust, now = _trust(pems, platforms, config), moment(at)
    given = [key.read_bytes() for key in keys]
    status, answers = YES, []
    for file in found(files):
        report, reason = _judge(
            file, lambda root: examine(root, trust, now, profile=_profile(profile), path=not no_path, keys=given)
        )
        answer = _answer(file, report, reason)
        answers.append(answer)
        status = max(status, _status(report), key=(YES, CANNOT_TELL, NO).index)
        if jsonl:
            say_json(answer, line=True)
        elif not as_json:
            _in_words(file, report, reason)
    if as_json:
        say_json(answers)
    raise SystemExit(status)


def _profile(name: str) -> Any:
    return name


def _trust(pems: tuple[Path, ...], platforms: tuple[Path, ...], config: Path | None) -> TrustSnapshot:
    """Return the anchors of a configuration and those named: a local CA's, or podpis zaufany's."""
    from broker.evidence import Level
    from broker.verify import TrustSnapshot, anchors
    from config.settings import load
    from config.sources import load_trust

    found = load_trust(load(config)).anchors if config else ()
    local = [one for pem in pems for one in anchors(pem.read_bytes())]
    sealed = [
        one for pem in platforms for one in anchors(pem.read_bytes(), level=Level.TRUSTED_PROFILE, platform_seal=True)
    ]
    return TrustSnapshot(anchors=(*found, *local, *sealed))


def _judge(file: Path, examine: Any) -> tuple[Report, str]:
    """Return the report on a file and its reason in words; a file that cannot be parsed has failed."""
    from broker.errors import Rejection
    from broker.evidence import Indication, Report, SubIndication, explanation
    from broker.parse import Limits, read
    from broker.texts import explain

    try:
        report: Report = examine(read(file.read_bytes(), Limits()))
    except Rejection as no:
        failed = Report(
            indication=Indication.FAILED, sub_indication=SubIndication.FORMAT_FAILURE, code=no.code, place=no.place
        )
        return failed, explain(no)
    return report, explain(Rejection(report.code, facts=explanation(report))) if report.code else ""


def _status(report: Report) -> int:
    from broker.evidence import Indication

    if report.indication is Indication.FAILED or not report.signatures:
        return NO
    return YES if report.indication is Indication.PASSED else CANNOT_TELL


def _answer(file: Path, report: Report, reason: str) -> dict[str, Any]:
    """Return {"file", "indication", "sub_indication", "reason", "signatures": […]} and what else is known."""
    told = asdict(report)
    head = {"file": str(file), "indication": told.pop("indication"), "sub_indication": told.pop("sub_indication") or ""}
    return {**head, "reason": reason, "signatures": told.pop("signatures"), **told}


def _in_words(file: Path, report: Report, reason: str) -> None:
    from broker.texts import hint

    verdict = " ".join(filter(None, (report.indication, report.sub_indication)))
    click.echo(
        f"{file}: {verdict if report.signatures or report.code else 'no signature'}  (revocation {report.revocation})"
    )
    if report.code:
        click.echo(f"  {report.code}{f' at {report.place}' if report.place else ''}: {reason}")
        for advice in filter(None, (hint(report.code), hint(report.hint) if report.hint else "")):
            click.echo(f"  hint: {advice}")
    for one in report.signatures:
        _signature(one, "  ")


def _signature(one: SignatureReport, indent: str) -> None:
    verdict = " ".join(filter(None, (one.indication, one.sub_indication)))
    click.echo(f"{indent}signature {one.id}: {verdict}, {one.shape}, level {one.level}, {written(one.signing_time)}")
    if one.identity:
        told = asdict(one.identity)
        click.echo(f"{indent}  signer: {', '.join(f'{key} {value}' for key, value in told.items() if value)}")
    for reference in one.references:
        holds = "holds" if reference.holds else f"expected {reference.expected}, found {reference.actual or 'nothing'}"
        click.echo(
            f"{indent}  Reference {reference.uri!r}: {holds}{', covers the form' if reference.covers_form else ''}"
        )
    if one.path:
        click.echo(f"{indent}  path: {' < '.join(one.path)}")
    for counter in one.counter_signatures:
        _signature(counter, indent + "  counter-")
