"""The facts of the log, in the past tense, by aggregate."""
