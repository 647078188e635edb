"""`goniec verify`: what the signatures of documents are worth, and why, without a running broker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from config.cli.offline import at, files, found, jsonl, moment, octets
from config.cli.say import CANNOT_TELL, NO, YES, as_json, complain, say, say_json, with_bar, worst
from config.cli.say import moment as written

if TYPE_CHECKING:
    from broker.evidence import Report, RevocationReport, SignatureReport, TimeStampReport
    from broker.verify import TrustSnapshot
    from broker.verify.settlement import Brought
    from config.settings import Settings

_ROUNDS = 8  # of judging one document: of its stamps' units, its signer, and those who countersign


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
    help="Judge as this configuration says: its anchors and levels, its policy about revocation, its signing_time_….",
)
@click.option("--no-path", is_flag=True, help="Judge mathematics and coverage alone, not whom to trust.")
@click.option(
    "--revocation",
    type=click.Choice(["off", "require"]),
    help="Whether certificates need proof of not being revoked; by default `require` if --crl or --ocsp brings any, "
    "else as the configuration says, else `off`. Nothing is fetched: what nobody brings is not known.",
)
@click.option(
    "--crl",
    "crls",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A revocation list, DER or PEM, of the signer's or of another authority of the path.",
)
@click.option(
    "--ocsp",
    "ocsps",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="An OCSP answer, DER.",
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
@click.option(
    "--second-opinion",
    is_flag=True,
    help="Ask a second verifier (signxml) about what holds; so does a configuration with `second_opinion = true`.",
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
    revocation: str | None,
    crls: tuple[Path, ...],
    ocsps: tuple[Path, ...],
    profile: str,
    keys: tuple[Path, ...],
    second_opinion: bool,
    files: tuple[Path, ...],
) -> None:
    """Verify documents, or all files below a folder.

    Exit status 0 if every document is signed and TOTAL-PASSED, 1 if any is not signed or has failed, 2 if any is
    INDETERMINATE or cannot be read.
    """
    from broker.verify import examine
    from broker.verify.trust import public_keys
    from config.settings import load
    from config.sources import of_file

    if keys and profile != "basic":
        raise click.UsageError("--key goes with --profile basic")
    settings = load(config) if config else None
    policy = _policy(revocation, settings, brings=bool(crls or ocsps), no_path=no_path)
    trust, now = _trust(pems, platforms, settings, policy), moment(at)
    second = _second(asked=second_opinion or (settings is not None and settings.trust.second_opinion))
    brought = _brought(crls, ocsps, now, trust)
    given = [of_file(key, _checked(lambda pem: public_keys([pem]))) for key in keys]
    if not (trust.anchors or no_path or given):
        complain("no anchors to trust: name some by --trust or --config, or judge without a path by --no-path")
    statuses, answers = [], []
    for file in with_bar(found(files), "verifying", quiet=as_json):
        payload = octets(file)
        if payload is None:
            statuses.append(CANNOT_TELL)
            continue
        report, reason = _judge(
            payload,
            trust.revocation,
            partial(
                _examined,
                brought,
                partial(
                    examine,
                    trust=trust,
                    at=now,
                    profile=_profile(profile),
                    path=not no_path,
                    keys=given,
                    window=settings.trust.window if settings else None,
                ),
            ),
            second,
        )
        answer = _answer(file, report, reason)
        answers.append(answer)
        statuses.append(_status(report))
        if jsonl:
            say_json(answer, line=True)
        elif not as_json:
            _in_words(file, report, reason)
    if as_json:
        say_json(answers)
    if brought is not None and not brought.proves:
        complain("nothing that --crl or --ocsp brought proves anything about the certificates of these signatures")
    raise SystemExit(worst(statuses))


def _policy(asked: str | None, settings: Settings | None, *, brings: bool, no_path: bool) -> str:
    """Return whether revocation is asked about: where evidence is brought, it is; else as a broker would."""
    configured = settings.trust.revocation if settings and not no_path else "off"
    policy = asked or ("require" if brings else configured)
    if no_path and policy == "require":
        raise click.UsageError("--revocation require asks about a path, --no-path asks about none")
    if brings and policy == "off":
        raise click.UsageError("--revocation off asks for no evidence, --crl and --ocsp bring some")
    return policy


def _brought(crls: tuple[Path, ...], ocsps: tuple[Path, ...], at: datetime, trust: TrustSnapshot) -> Brought | None:
    """Return the evidence of files, if there are any: such as was in force at the moment asked for, or is now."""
    from broker.verify.settlement import Brought, Raw

    if not crls and not ocsps:
        return None
    lists, answers = ([Raw(octets=file.read_bytes(), url=str(file)) for file in kind] for kind in (crls, ocsps))
    return Brought(crls=lists, ocsps=answers, moments=(at, moment(None)), freshness=trust.freshness)


def _examined(brought: Brought | None, examine: Callable[..., Report], root: Any) -> Report:
    if brought is None:
        return examine(root)
    for _ in range(_ROUNDS):
        asked = brought.asked
        report = examine(root, known=brought.known)  # tells whom the evidence must speak of
        if brought.asked == asked:
            return report
    return examine(root, known=brought.known)


def _second(*, asked: bool) -> Callable[[Report, bytes], Report]:
    """Return what puts a second opinion on a document into its report, if one is asked for."""
    if not asked:
        return lambda report, _document: report
    from broker.parse import Limits
    from broker.second_opinion import second
    from config.second_opinion import verifier

    return partial(second, verifier=verifier(Limits()))


def _profile(name: str) -> Any:
    return name


def _checked(check: Callable[[bytes], object]) -> Callable[[bytes], bytes]:
    """Return what hands on a text that `check` lets through."""

    def through(text: bytes) -> bytes:
        check(text)
        return text

    return through


def _trust(
    pems: tuple[Path, ...], platforms: tuple[Path, ...], settings: Settings | None, revocation: str
) -> TrustSnapshot:
    """Return the anchors of a configuration and those named: a local CA's, or podpis zaufany's."""
    from broker.evidence import Level
    from broker.verify import TrustSnapshot, anchors
    from config.sources import load_trust, of_file

    configured = load_trust(settings) if settings else TrustSnapshot()
    seal = partial(anchors, level=Level.TRUSTED_PROFILE, platform_seal=True)
    named = [one for pem in pems for one in of_file(pem, anchors)]
    named += [one for pem in platforms for one in of_file(pem, seal)]
    return replace(configured, anchors=(*configured.anchors, *named), revocation=revocation)


def _judge(
    payload: bytes, revocation: str, examine: Callable[[Any], Report], second: Callable[[Report, bytes], Report]
) -> tuple[Report, str]:
    """Return the report on a document and its reason in words.

    What cannot be parsed has failed, and so has a document without a signature: here somebody asks what its
    signatures are worth, and "passed" would be taken for an answer.
    """
    from broker.errors import Rejection
    from broker.evidence import UNSIGNED, Indication, SubIndication, explanation
    from broker.parse import Limits, read
    from broker.texts import explain

    failed = partial(
        replace,
        UNSIGNED,
        indication=Indication.FAILED,
        sub_indication=SubIndication.FORMAT_FAILURE,
        revocation=revocation,
    )
    try:
        report = second(examine(read(payload, Limits())), payload)
    except Rejection as no:
        return failed(code=no.code, place=no.place), explain(no)
    if not report.signatures and not report.code:
        return failed(judged_at=report.judged_at), "The document bears no signature."
    return report, explain(Rejection(report.code, facts=explanation(report))) if report.code else ""


def _status(report: Report) -> int:
    from broker.evidence import Indication

    return {Indication.PASSED: YES, Indication.FAILED: NO, Indication.INDETERMINATE: CANNOT_TELL}[report.indication]


def _answer(file: Path, report: Report, reason: str) -> dict[str, Any]:
    """Return {"file", "indication", "sub_indication", "reason", "signatures": […]} and what else is known."""
    told = asdict(report)
    head = {"file": str(file), "indication": told.pop("indication"), "sub_indication": told.pop("sub_indication") or ""}
    return {**head, "reason": reason, "signatures": told.pop("signatures"), **told}


def _in_words(file: Path, report: Report, reason: str) -> None:
    from broker.texts import hint

    verdict = " ".join(filter(None, (report.indication, report.sub_indication)))
    say(f"{file}: {verdict}  (revocation {report.revocation})", _status(report))
    if reason and not report.code:
        say(f"  {reason}")
    if report.code:
        say(f"  {report.code}{f' at {report.place}' if report.place else ''}: {reason}")
        for advice in filter(None, (hint(report.code), hint(report.hint) if report.hint else "")):
            say(f"  hint: {advice}")
    for one in report.signatures:
        _signature(one, "  ")
    if report.second_opinion:
        it = report.second_opinion
        about = ", ".join(filter(None, (it.reason, it.place)))
        say(f"  second opinion ({it.by}): {it.stance}{f' ({about})' if about else ''}")


def _signature(one: SignatureReport, indent: str, kind: str = "signature") -> None:
    verdict = " ".join(filter(None, (one.indication, one.sub_indication)))
    why = f"{one.code}{f' at {one.place}' if one.place else ''}" if one.code else ""
    about = filter(None, (verdict, why, one.shape, f"level {one.level}", written(one.signing_time)))
    say(f"{indent}{kind} {one.id}: {', '.join(about)}")
    if one.identity:
        told = asdict(one.identity)
        say(f"{indent}  signer: {', '.join(f'{key} {value}' for key, value in told.items() if value)}")
    for reference in one.references:
        holds = "holds" if reference.holds else f"expected {reference.expected}, found {reference.actual or 'nothing'}"
        uri = "without a URI" if reference.uri is None else repr(reference.uri)
        say(f"{indent}  Reference {uri}: {holds}{', covers the form' if reference.covers_form else ''}")
    _path(one, indent + "  ")
    for stamp in one.time_stamps:
        said = ", ".join(filter(None, (written(stamp.at), stamp.by, stamp.code, stamp.hint)))
        say(f"{indent}  time-stamp: {said}")
        _path(stamp, indent + "    ")
    for counter in one.counter_signatures:
        _signature(counter, indent + "  ", "counter-signature")


def _path(one: SignatureReport | TimeStampReport, indent: str) -> None:
    """Say by which certificates, each told by the beginning of its SHA-256, and by whose word."""
    if one.path:
        certificates = zip(one.path, one.path_sha256, strict=True)
        say(f"{indent}path: {' < '.join(f'{subject} [{digest[:16]}]' for subject, digest in certificates)}")
    if one.anchor:
        services = "; ".join(f"{it.territory}: {it.name}" for it in one.anchor.services)
        say(f"{indent}anchor: {one.anchor.name}{f', by the trusted list of {services}' if services else ''}")
    for certificate in one.revocation:
        _revocation(certificate, indent)


def _revocation(one: RevocationReport, indent: str) -> None:
    when = f"since {written(one.revoked_at)}" if one.revoked_at else ""
    source = f"by {one.source} {one.url}".rstrip() if one.source else ""
    made = f"of {written(one.this_update)}" if one.this_update else ""
    about = ", ".join(filter(None, (" ".join(filter(None, (one.status, when))), one.reason, source, made)))
    say(f"{indent}revocation: {one.subject}: {about}")
