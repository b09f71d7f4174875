"""Opening hours and business time: PURE arithmetic over intervals, exact to the microsecond.

The conventions, once and for all callers:

- **What is open.** An instant is open when the local clock on the wall shows a time inside the day's opening hours.
  Hours that a clock change skips never elapse, hours that it repeats elapse twice. A public holiday closes its whole
  day; a closure closes its days, or the hours of them that it names.
- **Half-open.** An interval holds its opening instant and not its closing one: at 14:00 sharp `09:00-14:00` is closed.
- **A deadline is the earliest instant by which the budget has elapsed.** So one that falls on closing time stays at
  closing time; it does not slip to the next opening.
- **A budget of zero is due at its start**, be that in the middle of the night.
- **Inverse.** `elapsed(cal, start, deadline(cal, start, budget)) == budget`, also with pauses and clock changes.
- **Pauses** are gaps in the calendar: pairs (start, end), half-open, in any order; what overlaps is counted once.
- **Instants** come in with any zone and go out in UTC, from 1970 to 2199. No naive times.
"""

from relevo.calendar.arithmetic import Interval, NeverOpens, count, deadline, elapsed, is_open, next_opening
from relevo.calendar.opening import Calendar, Closure, Holidays
from relevo.calendar.reading import CalendarError, Problem, always, calendar

__all__ = [
    "Calendar",
    "CalendarError",
    "Closure",
    "Holidays",
    "Interval",
    "NeverOpens",
    "Problem",
    "always",
    "calendar",
    "count",
    "deadline",
    "elapsed",
    "is_open",
    "next_opening",
]
