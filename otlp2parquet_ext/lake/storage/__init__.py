"""Objects by path: the operations that destinations need on a disk or a bucket.

`put` has two guarantees: an object appears whole or not at all, and the result tells whether it
existed before. So a file whose name is derived from its content can be written twice without harm.
"""
