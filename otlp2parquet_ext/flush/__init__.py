"""From a sealed segment to a receipt: what is flushed, when, by which thread.

policy.py, pacing.py   decide: plain numbers in, a reason or a delay out
queue.py               segments that are not safe yet
flusher.py             the loop: it asks the policy and starts workers
worker.py, committing.py, redelivery.py   one thread each
pipeline.py, segment_contents.py, table_builder.py   bytes of a segment to tables
"""
