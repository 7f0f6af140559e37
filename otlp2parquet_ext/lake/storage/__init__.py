"""Objects by path: what every destination needs of a disk or a bucket, and no more.

Two promises carry the design: `put` makes an object appear whole or not at all, and says whether
it was there before. Files named by their content can then be written twice without harm.
"""
