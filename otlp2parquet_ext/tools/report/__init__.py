"""`otlp2parquet-ext report`: one HTML page about slow functions, failures and costs.

    a table --questions--> Report (plain values) --words, charts, page--> HTML

    command.py     options in, a file out
    sql.py         the SQL statements
    questions.py   makes a `Report` from a DuckDB connection and a time
    facts.py       the values of a `Report`
    money.py       the cost of functions, at the prices of `cost`
    words.py       numbers as text
    answers.py     the sentences at the top
    advice.py      recommendations from the figures
    scales.py      round numbers and times for axes
    markup.py      HTML that always escapes text
    charts.py      bars and ranges as SVG
    pictures.py    the charts of a report
    listings.py    the table of functions, errors, requests with their lines
    notes.py       how the report counts, and checks for an empty one
    page.py        the complete page, with page.css and page.js

Everything but `command` and `questions` is pure: the same values give the same bytes.
"""
