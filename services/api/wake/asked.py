"""What is asked of the strategies: Sablier's query parameters, as values. Pure."""

from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from funswarm.sessions import SESSION_MAX_S, SESSION_MIN_S
from funswarm.units import Duration, Flag
from funswarm.waking import SESSION_S

NAMES_MAX: Final = 50
TIMEOUT_S: Final = 60.0
TIMEOUT_MAX_S: Final = 300.0
REFRESH_S: Final = 5.0
REFRESH_MAX_S: Final = 3600.0
OPTIONAL: Final = "optional:"


def _given(value: Any) -> Any:
    """What is empty is not given, as with Go's forms."""
    return None if value == "" else value


Text = Annotated[str | None, BeforeValidator(_given)]
Name = Annotated[str, Field(min_length=1, max_length=128 + len(OPTIONAL))]
Lasting = Annotated[Duration, Field(ge=SESSION_MIN_S, le=SESSION_MAX_S)]
Session = Annotated[Lasting | None, BeforeValidator(_given)]
Refresh = Annotated[Annotated[Duration, Field(le=REFRESH_MAX_S)] | None, BeforeValidator(_given)]
Timeout = Annotated[Annotated[Duration, Field(le=TIMEOUT_MAX_S)] | None, BeforeValidator(_given)]


class Asked(BaseModel):
    """Each strategy takes all of them, and overlooks what is another one's."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    names: list[Name] = Field([], max_length=NAMES_MAX, description="Services; `optional:NAME`: not waited for")
    group: Text = Field(None, max_length=128, description="All services of a group, in place of `names`")
    session_duration: Session = Field(None, description="How long they are to stay from now on; 5m")
    display_name: Text = Field(None, max_length=200, description="What the waiting page calls it")
    show_details: Annotated[Flag | None, BeforeValidator(_given)] = Field(None, description="Each service on the page")
    refresh_frequency: Refresh = Field(None, description="How often the page asks again; 5s")
    theme: Text = Field(None, max_length=64, description="One of /api/themes; all are the same page")
    timeout: Timeout = Field(None, description="How long `blocking` waits; 1m")

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if bool(self.names) == (self.group is not None):
            raise ValueError("give names or group, and not both")
        return self

    @property
    def session_s(self) -> float:
        return SESSION_S if self.session_duration is None else self.session_duration

    @property
    def timeout_s(self) -> float:
        return TIMEOUT_S if self.timeout is None else self.timeout

    @property
    def refresh_s(self) -> float:
        return REFRESH_S if self.refresh_frequency is None else self.refresh_frequency

    @property
    def details(self) -> bool:
        """Shown, unless somebody says no."""
        return self.show_details is not False

    @property
    def wanted(self) -> dict[str, bool]:
        """By name, whether it is waited for."""
        found: dict[str, bool] = {}
        for name in self.names:
            plain = name.removeprefix(OPTIONAL)
            found[plain] = found.get(plain, False) or plain == name
        return found
