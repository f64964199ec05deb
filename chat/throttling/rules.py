"""The rate limits of each person, address and account, in one table.

A school class behind one router is one address. So limits for addresses let forty pupils sign up, or sign in with a few
mistakes each, within a lesson. Limits for persons let them type, click and read as fast as people can.
"""

from dataclasses import dataclass
from typing import Literal

# `account` counts an account's sign-ins from anywhere, `guess` those from one address, and `browser` those from a
# browser that has signed in to the account before.
Per = Literal["person", "address", "account", "guess", "browser", "everybody", "room"]

SECOND, MINUTE, HOUR, DAY = 1, 60, 3600, 24 * 3600


@dataclass(frozen=True, slots=True)
class Budget:
    """`amount` times within `seconds`, for each person, address, …

    With `longest_delay`, attempts above `amount` pass one at a time, after a delay that doubles each time up to
    `longest_delay` seconds. A budget that is not `shared` is counted by each process alone: N processes allow up to N
    times as much, and counting costs no round trip.
    """

    per: Per
    amount: int
    seconds: int
    longest_delay: int = 0
    shared: bool = True
    scales: bool = True  # with RATE_LIMITS


@dataclass(frozen=True, slots=True)
class Rule:
    """A rate limit: its name in the audit log, the text for a refused person, and its budgets."""

    name: str
    why: str
    budgets: tuple[Budget, ...]


def _here(per: Per, amount: int, seconds: int) -> Budget:
    """Return a budget that each process counts alone."""
    return Budget(per, amount, seconds, shared=False)


# Guesses at a password. From one address: five, then 1, 2, 4 … seconds apart, 15 minutes at most, so about 100 a day
# (NIST SP 800-63B, 3.2.2, allows 100 in a row). From many addresses together: twenty, then up to five minutes apart.
SIGN_IN = Rule(
    "sign_in",
    "There were too many attempts to sign in.",
    (
        Budget("address", 120, 10 * MINUTE),
        Budget("guess", 5, DAY, longest_delay=15 * MINUTE),
        Budget("account", 20, DAY, longest_delay=5 * MINUTE),
    ),
)
# Guesses made elsewhere do not delay a browser that has signed in to this account before (OWASP, "Device Cookies").
SIGN_IN_KNOWN_BROWSER = Rule("sign_in", SIGN_IN.why, (Budget("browser", 5, DAY, longest_delay=15 * MINUTE),))
OWN_PASSWORD = Rule(
    "own_password",
    "There were too many attempts with a wrong password.",
    (Budget("person", 5, DAY, longest_delay=15 * MINUTE),),
)
SIGN_UP = Rule(
    "sign_up",
    "Too many people signed up in a short time.",
    (Budget("address", 20, MINUTE), Budget("address", 60, HOUR), Budget("everybody", 300, HOUR)),
)
FIRST_RUN = Rule(
    "first_run", "There were too many attempts.", (Budget("address", 10, MINUTE), Budget("address", 60, HOUR))
)

POST = Rule("post", "You are sending messages very fast.", (_here("person", 20, 10 * SECOND),))
UPLOAD = Rule(
    "upload", "You are sending files very fast.", (Budget("person", 200, MINUTE), Budget("person", 2000, HOUR))
)
CHANGE = Rule("change", "You are changing messages very fast.", (_here("person", 30, 15 * SECOND),))
# Typing notices of a member; above the limit none are sent.
TYPING = Rule("typing", "", (Budget("room", 1, 2 * SECOND, shared=False, scales=False),))

OPEN_ROOM = Rule("open_room", "You opened many rooms.", (Budget("person", 10, MINUTE), Budget("person", 40, HOUR)))
OPEN_DIRECT = Rule(
    "open_direct", "You opened many conversations.", (Budget("person", 30, MINUTE), Budget("person", 200, HOUR))
)
CHANGE_ROOM = Rule("change_room", "You are changing rooms very fast.", (Budget("person", 30, MINUTE),))
INVITE = Rule("invite", "You added many people.", (Budget("person", 60, MINUTE), Budget("person", 300, HOUR)))
MAKE_LINK = Rule("make_link", "You made many links.", (Budget("person", 10, MINUTE), Budget("person", 60, HOUR)))
FOLLOW_LINK = Rule("follow_link", "Too many invite links were opened.", (Budget("address", 240, MINUTE),))
SEARCH = Rule("search", "You are searching very fast.", (Budget("person", 40, MINUTE),))
FIND = Rule("find", "You are looking up names very fast.", (_here("person", 300, MINUTE),))
# Each takes a process of its own for a moment.
PICTURE = Rule(
    "picture", "You are changing pictures very fast.", (Budget("person", 10, MINUTE), Budget("person", 60, HOUR))
)
PROFILE = Rule("profile", "You changed your profile many times.", (Budget("person", 30, MINUTE),))

# The outer limits: every request draws from one of these, whatever its route.
CONNECT = Rule("connect", "Your pages connect too often.", (_here("person", 240, MINUTE),))
WRITE = Rule("write", "You are changing things very fast.", (_here("person", 600, MINUTE),))
READ = Rule("read", "You are opening pages very fast.", (_here("person", 1200, MINUTE),))
ANONYMOUS = Rule("anonymous", "Too many pages were opened in a short time.", (_here("address", 1200, MINUTE),))
# A page has about forty files; a browser asks for them once.
STATIC_FILE = Rule("static_file", "Too many files were requested in a short time.", (_here("address", 12_000, MINUTE),))
