"""The core: what Goniec decides.  Imports nothing of ours; does no I/O, reads no clock, draws no lot.

Read `intake.py` and `dispatch.py` first: they are the product.  `model.py` has the nouns,
`ports.py` the seams, `errors.py` every way to say no, `states.py` the life of a delivery.
"""
