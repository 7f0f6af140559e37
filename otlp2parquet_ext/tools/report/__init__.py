"""`otlp2parquet-ext report`: one HTML page that says what is slow, what failed, what it costs.

    a table --questions--> Report (plain values) --words, charts, page--> HTML

    command.py     options in, a file out
    sql.py         what is asked, as text
    questions.py   a connection of DuckDB and a time to a `Report`
    facts.py       the values of a `Report`
    money.py       what the functions cost, at the prices of `cost`
    words.py       numbers as people read them
    answers.py     the sentences at the top
    advice.py      what to do, where the figures say so
    scales.py      round numbers and times for axes
    markup.py      HTML that cannot forget to escape
    charts.py      bars and ranges as SVG
    pictures.py    which charts there are
    listings.py    the table of functions, errors, requests with their lines
    notes.py       how it counts, and what to check
    page.py        all of it, with page.css and page.js

Everything but `command` and `questions` is pure: the same values give the same bytes.
"""
