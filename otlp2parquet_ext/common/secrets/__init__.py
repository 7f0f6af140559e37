"""Secrets in text: which parts are secret, and how they are masked.

masking.py       replaces secrets in a message
forms.py, places.py, escapes.py   the encoded forms of a secret, and their places in a text
urls.py, url_options.py   the parts of a URL that may be shown
"""
