"""The I/O: ways in (`channels`), ways out (`offices`), custody (`stores`), the seal (`seals`).

An adapter fulfils a protocol of `broker/ports.py`, raises only errors of `broker/errors.py`, and passes
the suite of its protocol in `adapters/testkit`.  Adapters know the core and `adapters/wire`, never one another.
"""
