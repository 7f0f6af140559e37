"""From a sealed segment to a receipt.

plan.py, policy.py, attempts.py, commit_schedule.py   decide, from plain numbers
queue.py, segment_state.py   the states of segments that are not safe yet
health.py                    when work at the destination may be tried
flusher.py, flush_state.py   carry out the plan on the event loop
store_job.py, commit_job.py, redeliver_job.py         the jobs, each on its own worker.py
pipeline.py, segment_contents.py, table_builder.py    turn the bytes of a segment into tables
"""
