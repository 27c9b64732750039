"""What in a text could identify a patient: found locally, explained, with something to say instead.

`lint` finds, `looking` does so for the fields of a form, `gate` repeats for what leaves what may never leave. Every family of
findings has its module, every language its tables; patterns have bounds, so that no text is expensive.
"""
