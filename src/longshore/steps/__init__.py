"""This package keeps what a task has done so far: recorded steps, sleeps, and signals to wait for."""
