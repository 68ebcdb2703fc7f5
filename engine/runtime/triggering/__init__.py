"""The executions that triggers start: of dates, requests, objects and other executions."""
