"""What is fetched from others so that signatures can be judged: revocation evidence and trusted lists.

Everything here runs beside the documents, never in their way: a fetch ends in an immutable value that the stages read.
"""
