"""How figures read on a page: lengths of time, money, counts, moments."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from math import ceil
from urllib.parse import unquote, urlsplit

from markupsafe import Markup, escape

MINUTE, HOUR, DAY = 60, 3600, 86_400
CAP = 10_000
NOTHING = "\N{EN DASH}"


def seconds(length: float | None) -> str:
    """A length of time, as short as it stays telling: 340 ms, 12.3 s, 4 m 10 s, 3 h 20 m, 2 d 4 h."""
    if length is None:
        return NOTHING
    if length < 1:
        return f"{round(length * 1000)} ms"
    if length < MINUTE:
        return f"{length:.1f} s"
    whole = round(length)
    for unit, name, below, less in ((DAY, "d", HOUR, "h"), (HOUR, "h", MINUTE, "m"), (MINUTE, "m", 1, "s")):
        if whole >= unit:
            rest = whole % unit // below
            return f"{whole // unit} {name} {rest} {less}" if rest else f"{whole // unit} {name}"
    return f"{whole} s"


def dollars(amount: Decimal | float | None) -> str:
    """Cents where that is exact enough, up to two digits more where it is not."""
    if amount is None:
        return NOTHING
    exact = Decimal(amount)
    cents, finer = f"{abs(exact):,.2f}", f"{abs(exact):.4f}".rstrip("0")
    return f"{'-' if exact < 0 else ''}${cents if abs(exact) >= 1 else max(cents, finer, key=len)}"


def count(number: int | None, cap: int = CAP, *, more: bool = False) -> str:
    """A count that was taken up to a cap: 10k+ where it was reached, 12+ where there may be `more`."""
    if number is None:
        return NOTHING
    return f"{cap // 1000}k+" if number >= cap else f"{number:,}{'+' if more else ''}"


def share(part: float | None) -> str:
    """0.994 as 99.4 %."""
    return NOTHING if part is None else f"{part:.1%}".replace("%", " %")


def moment(at: datetime | None) -> Markup:
    """Both ways to tell a moment; the page shows one of them."""
    if at is None:
        return Markup("&ndash;")
    exact = at.astimezone(UTC)
    ago = (datetime.now(UTC) - exact).total_seconds()
    relative = f"{_coarse(ago)} ago" if ago >= 0 else f"in {_coarse(-ago)}"
    return Markup(
        '<time datetime="{iso}" title="{whole} UTC"><span class="relative">{relative}</span>'
        '<span class="exact">{whole}</span></time>'
    ).format(iso=exact.isoformat(), whole=f"{exact:%Y-%m-%d %H:%M:%S}", relative=relative)


def clock(at: datetime) -> Markup:
    """The time of day, UTC, to the millisecond; the day is its title."""
    exact = at.astimezone(UTC)
    return Markup('<time datetime="{}" title="{:%Y-%m-%d} UTC">{}</time>').format(
        exact.isoformat(), exact, exact.isoformat(timespec="milliseconds")[11:23]
    )


def _coarse(length: float) -> str:
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "m")):
        if length >= unit:
            return f"{int(length // unit)} {name}"
    return f"{max(1, ceil(length))} s" if length > 0 else "0 s"


def state(name: object, label: str | None = None) -> Markup:
    """A state, in the one colour that it has everywhere."""
    text = str(name)
    return Markup('<span class="state" data-state="{}">{}</span>').format(text, label or text.replace("_", " "))


def short(identity: object) -> Markup:
    """The telling end of an id; the whole of it is its title."""
    text = str(identity)
    return Markup('<span class="id" title="{}">{}</span>').format(text, escape(f"…{text[-8:]}"))


def fact(value: object, name: str) -> Markup:
    """What else there is to say of a step on a job's way; pictures are counted from one, as people do."""
    match name, value:
        case "call" | "delivery", _:
            return Markup("{} {}").format(name, short(value))
        case "bytes", int():
            return Markup("{:,.0f} kB").format(value / 1000)
        case "picture", int():
            return Markup("picture {}").format(value + 1)
        case _:
            return Markup("{} {}").format(name.replace("_", " "), value)


def pretty(value: object, indent: int | None = 2) -> str:
    """JSON for people: as it was written, in whatever script."""
    return json.dumps(value, indent=indent, ensure_ascii=False)


def coded(text: str) -> Markup:
    """A sentence with what is to be typed between backticks, as alerts have it."""
    typed = Markup("<code>{}</code>").format
    return Markup("").join(typed(part) if at % 2 else part for at, part in enumerate(text.split("`")))


def origin(address: str) -> str:
    """Of an address the part that names a host: the rest may say more than everybody is to read."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


_WORDS = (seconds, dollars, count, share, moment, clock, state, short, fact, coded, pretty, origin, unquote)
FILTERS = {each.__name__: each for each in _WORDS}
