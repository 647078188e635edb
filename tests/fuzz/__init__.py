"""Fuzzers: bytes go in, and nothing but our own answers may come out (docs/how-to/fuzz.md).

A fuzzer is a module with three names, shared by a test (hypothesis, in `test_fuzz.py`) and by atheris
(`python -m tests.fuzz NAME`, which `make fuzz` runs):

    body(data)      tries one input; raises whatever is wrong
    seeds()         inputs to begin with, made of the corpus of documents
    LONGEST         octets that an input may have

What was found once is kept in `corpus/<name>/`, and tried again by the test.
"""
