"""Tests of flows: run, and recorded from executions."""
