"""The ground: knows nothing of ActivityPub and nothing of Quart."""

VERSION = "0.1.0"
