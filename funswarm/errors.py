"""What can go wrong, sorted by what the receiver should do.

    FunswarmError
    ├── PermanentError            asking again is useless
    │   ├── InvalidRequest        the request itself: what, where, and the way out
    │   ├── UnknownObject         nothing of that name; UnknownNode, UnknownSchedule … where it is no service or task
    │   ├── Refused               understood and refused; `code` says why
    │   ├── Failed                the engine would not
    │   └── Relist                that point of the stream is gone: begin with a snapshot
    └── TemporaryError            ask again after `delay_s`
        ├── Unavailable           NATS, the engine or a part does not answer
        └── VersionConflict       somebody else wrote in between

`code` is the same word in results on NATS and in problem+json.
"""

from funswarm.messages import Code


class FunswarmError(Exception):
    """The base of all that Funswarm raises on purpose."""

    code: Code = Code.INTERNAL


class PermanentError(FunswarmError):
    """Asking again is useless."""


class InvalidRequest(PermanentError):
    """The request itself is wrong."""

    code = Code.INVALID


class UnknownObject(PermanentError):
    """There is no such service or task; of other kinds: its subclasses."""

    code = Code.UNKNOWN_SERVICE


class UnknownNode(UnknownObject):
    """There is no such node."""

    code = Code.UNKNOWN_NODE


class UnknownCommand(UnknownObject):
    """There is no command of that id, or none that is still known of."""

    code = Code.UNKNOWN_COMMAND


class UnknownDeadLetter(UnknownObject):
    """There is no dead letter of that sequence."""

    code = Code.UNKNOWN_DEAD_LETTER


class UnknownHook(UnknownObject):
    """There is no webhook of that name."""

    code = Code.UNKNOWN_HOOK


class UnknownSchedule(UnknownObject):
    """There is no schedule of that name."""

    code = Code.UNKNOWN_SCHEDULE


class Refused(PermanentError):
    """The command was refused: nothing changed."""

    def __init__(self, message: str, code: Code) -> None:
        super().__init__(message)
        self.code = code


class Failed(PermanentError):
    """The command could not be applied."""

    def __init__(self, message: str, code: Code = Code.ENGINE) -> None:
        super().__init__(message)
        self.code = code


class Relist(PermanentError):
    """The events from there on are no longer kept, or the stream is another one: begin with a snapshot."""

    code = Code.CONFLICT


class TemporaryError(FunswarmError):
    """Ask again after `delay_s`."""

    code = Code.UNAVAILABLE

    def __init__(self, message: str, delay_s: float = 1.0) -> None:
        super().__init__(message)
        self.delay_s = delay_s


class Unavailable(TemporaryError):
    """NATS, the engine or a part of Funswarm does not answer."""


class VersionConflict(TemporaryError):
    """Somebody else wrote in between."""

    code = Code.CONFLICT
