"""`python -m config.cli`: the same as `goniec`, for who starts it as a process of a given interpreter."""

from __future__ import annotations

from config.cli.main import main

main()
