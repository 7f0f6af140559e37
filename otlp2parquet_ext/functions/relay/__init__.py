"""The committer's side of `relay`: raw segments of many environments in, few large files out.

_relay/segments --claim--> one claim of many segments --mapping--> tables --> a file a day
                                                                          --> states, done
claims.py       pure: which waiting segments become one claim
done.py         pure: the names of segments whose rows are durable, by hour
states.py       pure: what is known of environments between their segments
folder.py       the objects below `_relay`
mapping.py      segments and states --> tables
forming.py      a claim from beginning to end, however many committers race or are killed
"""
