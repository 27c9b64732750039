"""The schema's history: numbered SQL files, never edited once released (`core.migrate` compares their digests)."""
