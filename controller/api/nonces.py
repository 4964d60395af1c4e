"""Nonces that are remembered by nobody: each says when it ends, and carries the proof that it was made here."""

import hashlib
import hmac

LIFETIME_S = 60.0
"""For two requests in a row over a slow line."""


class Nonces:
    """Makes nonces and knows them again, until this process ends."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def new(self, at: float) -> str:
        """A nonce; `at`: seconds of any clock that only grows."""
        ends = f"{at + LIFETIME_S:.3f}"
        return f"{ends}-{self._proof(ends)}"

    def is_good(self, nonce: str, at: float) -> bool:
        """Was it made here, and is it young enough?"""
        ends, _, proof = nonce.partition("-")
        shown = proof.encode("utf-8", "surrogateescape")
        return hmac.compare_digest(shown, self._proof(ends).encode()) and at < float(ends)

    def _proof(self, ends: str) -> str:
        return hmac.new(self._secret, ends.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()
