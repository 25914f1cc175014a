"""What can be made to go wrong: one frozen value, set as a whole at run time (`POST /simulator/faults`) or in-process.

Pure. Nothing goes wrong by default.
"""

from pydantic import BaseModel, ConfigDict, Field


class Faults(BaseModel):
    """How the simulated engine misbehaves. Shares are of calls, from 0 to 1; `/simulator/…` itself never fails."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    slow_s: float = Field(default=0, ge=0, le=3600)
    """Each call is answered so much later."""
    error_share: float = Field(default=0, ge=0, le=1)
    """Answered with a 500 that says so, without effect."""
    garbage_share: float = Field(default=0, ge=0, le=1)
    """Done, but the answer's body is not JSON."""
    half_share: float = Field(default=0, ge=0, le=1)
    """Done, but the connection breaks in the middle of the answer's body."""
    events_silent: bool = False
    """Event streams stay open and say nothing; what happens meanwhile is lost to them."""
    events_dropped: bool = False
    """Event streams end at once, open ones as well as new ones."""


NONE = Faults()
