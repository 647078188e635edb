"""Hours of faults over a hundred thousand documents, and an audit: `python -m tests.crash.campaign`."""
