"""The committer's part of `relay`: map raw segments of many environments to few large files.

_relay/segments --claim--> one claim of many segments --mapping--> tables --> a file for each day
                                                                          --> states, done
claims.py       pure: choose the waiting segments of one claim
done.py         pure: the names of segments whose rows are durable, by hour
states.py       pure: the state of environments between their segments
folder.py       the objects below `_relay`
mapping.py      segments and states --> tables
opening.py      settings --> the relay; files of what waits, if anything waits
    location.py     the relay, and the result of mapping
    forming.py      a claim from beginning to end, safe with several or killed committers
"""
