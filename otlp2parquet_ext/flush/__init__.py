"""From a sealed segment to a receipt.

plan.py, policy.py, attempts.py, commit_schedule.py   decide, from plain numbers
queue.py, segment_state.py   segments that are not safe yet
health.py                    what the destination lets us try
flusher.py, flush_state.py   the loop: it carries out the plan
store_job.py, commit_job.py, redeliver_job.py         the jobs, on a worker.py each
pipeline.py, segment_contents.py, table_builder.py    bytes of a segment to tables
"""
