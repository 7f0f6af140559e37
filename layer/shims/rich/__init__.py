"""Stands in for the package `rich`, in which PyIceberg words "mismatch in fields".

What would be a drawing is one line for each field, and nothing is printed: the text is part of the
error that PyIceberg raises.
"""
