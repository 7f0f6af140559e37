"""Secrets in text: which parts are secret, and how they are masked.

masking.py       replaces secrets in a message
forms.py, places.py, escapes.py   the forms a secret takes, and where they stand
urls.py, url_options.py   what of a URL may be shown
"""
