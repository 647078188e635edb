"""`goniec`: finds the command that is asked for, and turns errors into words and exit statuses (DESIGN §6).

0 yes, it is so · 1 no, it is not · 2 cannot tell, or wrongly used.  Commands are imported only when they are run,
so that `goniec --help` answers at once.
"""

from __future__ import annotations

import errno
import importlib
import io
import sys
from typing import Any, Final

import click

from broker.errors import BrokerError, ConfigError, Rejection
from config.cli.say import NO, complain, stop

# name: (module that has a click command `command`, one line of help)
COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "serve": ("serve", "Run the broker until it is told to stop."),
    "demo": ("demo", "Show the whole broker at work: offices, forms, receipts."),
    "migrate": ("migrate", "Make the store's tables, or bring them up to date."),
    "backup": ("backup", "Copy the store while the broker works."),
    "readmit": ("readmit", "Take back a document that a restored store has forgotten."),
    "rekey": ("rekey", "Encrypt what is stored anew, under the newest key."),
    "check": ("check", "Check the configuration: all problems at once."),
    "validate": ("validate", "Check documents against the schemas of their forms."),
    "verify": ("verify", "Say what the signatures of documents are worth, and why."),
    "route": ("route", "Say where a document would go, and why."),
    "trust": ("trust", "Show whom the broker believes."),
    "receipt": ("receipt", "Work with official receipts (UPO)."),
    "send": ("send", "Send a document to a broker over SOAP."),
    "list": ("list", "List submissions, newest first."),
    "show": ("show", "Show all that is kept of one submission."),
    "trace": ("trace", "Tell what happened to one submission, and prove it."),
    "journal": ("journal", "Say whether the record was changed; export it, prove from it."),
    "export": ("export", "Write the whole evidence of submissions as containers, or check one."),
    "nodes": ("nodes", "List the processes that serve this store."),
    "quarantine": ("quarantine", "List what waits for an operator, by cause."),
    "requeue": ("requeue", "Send stuck deliveries round again, or to another office."),
    "answered": ("answered", "Say that an office has answered a document."),
    "reconcile": ("reconcile", "Compare what was sent with what partners say."),
    "prune": ("prune", "Remove documents whose time is over."),
    "hold": ("hold", "Keep a document whatever the rules say."),
    "pause": ("pause", "Stop or resume what goes out to an office."),
    "mock-dms": ("mock_dms", "Run a mock document system of an office."),
    "pki": ("pki", "Make keys and certificates for development."),
}


class _Lazy(click.Group):
    """A group whose commands are imported when they are needed, and whose errors are words.

    What is not caught here is a bug, and keeps its traceback.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that is asked for; what our own errors say goes to standard error, in lines.

        The context's object is what a process does before its first command, where it is a process of its own.
        """
        if ctx.obj is not None:
            ctx.obj()
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")  # a terminal that knows no "ż" must not stop us
        try:
            return super().invoke(ctx)
        except ConfigError as wrong:
            stop(*wrong.problems)
        except Rejection as no:
            from broker.texts import explain

            complain(f"{no.code}{f' at {no.place}' if no.place else ''}: {explain(no)}")
            sys.exit(NO)
        except BrokerError as error:
            stop(str(error))
        except OSError as error:
            if error.errno == errno.EPIPE:  # the reader of our output has gone: click ends quietly
                raise
            stop(": ".join(str(part) for part in (error.filename, error.strerror or error) if part))
        except KeyboardInterrupt:
            stop("interrupted")

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature is click's
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"config.cli.{COMMANDS[cmd_name][0]}")
        found = module.command
        if not isinstance(found, click.Command):
            raise TypeError(f"config.cli.{COMMANDS[cmd_name][0]}.command is not a command")
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="goniec", prog_name="goniec")
def goniec() -> None:
    """Goniec carries signed forms between public offices, and answers with official receipts.

    Exit status of every command: 0 yes, 1 no, 2 cannot tell or wrongly used.
    """


def main() -> None:
    """Run the command line as a process of its own."""
    goniec(obj=_log_warnings)


def _log_warnings() -> None:
    """Send what is logged to standard error: on standard output stand answers alone."""
    from config import log

    log.configure(level="warning")
