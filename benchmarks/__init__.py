"""What is measured, how and against what: `python -m benchmarks` prints tables and goals and keeps a dated file in results/.

inbox     how many signed activities become durable in a second
bundles   how many more when they come in bundles
spread    from a doctor's click to visible on all six siblings
home      the home page with a million posts
delivery  the CPU a delivered activity costs
backlog   how a long outbox is emptied after an outage, and how long a fresh post takes meanwhile

Each part has a module of that name, with a `run` that makes what it needs, measures it and returns a `report.Part`.
"""
