"""Appending files to a table: the inbox, the ledger, the compare-and-swap."""
