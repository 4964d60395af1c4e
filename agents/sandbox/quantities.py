"""Resource quantities (`500m`, `1Gi`) in the canonical form that the server writes."""

import decimal
import functools
import re

from agents.sandbox.schema import Json

_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]|[eE][+-]?\d+)?")
_BINARY = {suffix: 1024**power for power, suffix in enumerate(("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"))}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_SUFFIX_OF = {power: suffix for suffix, power in _DECIMAL.items()}
KNOWN_MAX = 4096  # manifests repeat a few quantities


def canonical_quantity(value: Json) -> Json:
    """Return a quantity as the server writes it; what is no quantity comes back as it is."""
    return _canonical(str(value)) or value


@functools.lru_cache(maxsize=KNOWN_MAX)
def _canonical(text: str) -> str | None:
    found = _QUANTITY.fullmatch(text)
    if found is None:
        return None
    number, suffix = decimal.Decimal(found[1]), found[2] or ""
    if suffix in _BINARY and suffix:
        return _binary(number * _BINARY[suffix]) or _decimal(number * _BINARY[suffix], exponent=False)
    if suffix[:1] in ("e", "E") and len(suffix) > 1:
        return _decimal(number.scaleb(int(suffix[1:])), exponent=True)
    return _decimal(number.scaleb(_DECIMAL[suffix]), exponent=False)


def _binary(amount: decimal.Decimal) -> str | None:
    """Write with the largest binary suffix that keeps it whole; below 1024 and in fractions it is decimal."""
    if abs(amount) < 1024 or amount != amount.to_integral_value():
        return None
    whole, chosen = int(amount), ""
    for suffix, unit in _BINARY.items():
        if whole % unit == 0:
            chosen = suffix
    return f"{whole // _BINARY[chosen]}{chosen}"


def _decimal(amount: decimal.Decimal, *, exponent: bool) -> str:
    """Write with the largest power of a thousand that keeps it whole, rounded up to a billionth."""
    if amount == 0:
        return "0"
    nano = int((amount.scaleb(9)).to_integral_value(rounding=decimal.ROUND_UP))
    power = -9
    while nano % 1000 == 0 and power < 18:
        nano //= 1000
        power += 3
    if exponent:
        return f"{nano}e{power}" if power else str(nano)
    return f"{nano}{_SUFFIX_OF[power]}"
