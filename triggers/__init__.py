"""What starts executions."""

from triggers.flow import Flow
from triggers.schedule import Schedule, ScheduleOnDates
from triggers.toggle import Toggle
from triggers.webhook import Webhook

__all__ = ["Flow", "Schedule", "ScheduleOnDates", "Toggle", "Webhook"]
