"""The slow oracle: cron by brute force. It walks minute by minute over real time and over what the clocks show, and
shares no code with the library."""

from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))


def numbers(field, low, high):
    """The numbers that a field of `*`, `a`, `a-b`, `a,b` and `/n` names; Sunday is 0 or 7."""
    found = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        if span == "*":
            first, last = low, high
        elif "-" in span:
            first, last = map(int, span.split("-"))
        else:
            first = int(span)
            last = high if step else first
        found.update(range(first, last + 1, int(step or 1)))
    return {number % 7 for number in found} if (low, high) == (0, 6) else found


class Almanac:
    """An expression, read."""

    def __init__(self, expression):
        fields = expression.split()
        self.minutes, self.hours, self.days, self.months, self.weekdays = (
            numbers(field, *span) for field, span in zip(fields, RANGES, strict=True)
        )
        self.both = fields[2].startswith("*") or fields[4].startswith("*")
        self.is_real = fields[0].startswith("*") or fields[1].startswith("*")

    def has_day(self, day):
        by_date, by_week = day.day in self.days, (day.weekday() + 1) % 7 in self.weekdays
        fits = (by_date and by_week) if self.both else (by_date or by_week)
        return fits and day.month in self.months

    def has(self, shown):
        return shown.minute in self.minutes and shown.hour in self.hours and self.has_day(shown)

    def ticks(self, zone, begin, end):
        """All ticks in (begin, end], in seconds since 1970; both are datetimes in UTC on a full minute."""
        walk = self._of_real_time if self.is_real else self._of_named_times
        return sorted(
            tick for tick in walk(ZoneInfo(zone), begin, end) if begin.timestamp() < tick <= end.timestamp()
        )

    def _of_real_time(self, zone, begin, end):
        found, now = set(), begin
        while now <= end:
            if self.has(now.astimezone(zone)):
                found.add(round(now.timestamp()))
            now += MINUTE
        return found

    def _of_named_times(self, zone, begin, end):
        found = set()
        day = (begin - timedelta(days=2)).replace(tzinfo=None, hour=0, minute=0)
        while day <= end.replace(tzinfo=None) + timedelta(days=2):
            if self.has_day(day):
                for hour in self.hours:
                    for minute in self.minutes:
                        found.add(first_shown(zone, day.replace(hour=hour, minute=minute)))
            day += timedelta(days=1)
        return found


def first_shown(zone, named):
    """When the clocks show that time first, or a later one where they skip it."""
    shown = named
    while True:
        instant = shown.replace(tzinfo=zone).astimezone(UTC)
        if instant.astimezone(zone).replace(tzinfo=None) == shown:
            return round(instant.timestamp())
        shown += MINUTE
