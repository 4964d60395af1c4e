"""Pure decisions and folds of the hub: no I/O, no clock, no randomness, no logging."""
